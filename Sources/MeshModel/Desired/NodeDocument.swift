/// Everything the controller wants of one node: what it signs, what the node pins, keeps and repairs towards.
///
/// It holds no secret: private keys are made on the node, and preshared keys travel beside the document and
/// appear in it only by ``PresharedKeyID``.
public struct NodeDocument: Codable, Sendable, Equatable {
    /// The version of this format; a node refuses one it does not know.
    public var format: Int
    /// The mesh's identity, 32 hexadecimal digits, made once.
    public var meshID: String
    /// The mesh's name, as in interface and folder names.
    public var mesh: String
    /// The node that this document is for.
    public var node: String
    /// Grows with every document; a node refuses an older or equal one.
    public var revision: UInt64
    /// When it was made. *Units:* seconds since 1970.
    public var issuedAt: Int64
    /// The WireGuard interfaces: one, or two while keys are being rotated; none where the node is drained.
    public var interfaces: [DesiredInterface]
    /// The tunnels that begin on this node.
    public var tunnels: [DesiredTunnel]
    /// The server for tunnels that end on this node; nil where none does.
    public var tunnelServer: DesiredTunnelServer?
    /// What the node's guard lets in; nil where it is to have none.
    public var `guard`: DesiredGuard?
    /// The names that its resolver is to know; nil for none.
    public var names: DesiredNames?
    /// Who keeps documents for this node, and for whom it keeps some; nil where it has no managed peer.
    public var mail: DesiredMail?

    /// The format that this version writes.
    public static let currentFormat = 2

    /// Gathers the parts.
    public init(
        meshID: String, mesh: String, node: String, revision: UInt64, issuedAt: Int64,
        interfaces: [DesiredInterface], tunnels: [DesiredTunnel] = [],
        tunnelServer: DesiredTunnelServer? = nil, guard: DesiredGuard? = nil,
        names: DesiredNames? = nil, mail: DesiredMail? = nil
    ) {
        format = Self.currentFormat
        self.meshID = meshID
        self.mesh = mesh
        self.node = node
        self.revision = revision
        self.issuedAt = issuedAt
        self.interfaces = interfaces
        self.tunnels = tunnels
        self.tunnelServer = tunnelServer
        self.guard = `guard`
        self.names = names
        self.mail = mail
    }
}

/// Which implementation of WireGuard carries an interface.
public enum BackendChoice: String, Codable, Sendable, Hashable, CaseIterable {
    /// The kernel's where there is one, else the userspace one.
    case auto
    /// The kernel's, or fail.
    case kernel
    /// wireguard-go, or fail.
    case userspace
}

/// Names one preshared key without telling it: a hash of its 256 random bits.
///
/// *Shape:* 32 hexadecimal digits, made by `Secrets.PresharedKeys.identify`.
public struct PresharedKeyID: RawRepresentable, Codable, Sendable, Hashable {
    /// The hexadecimal text.
    public let rawValue: String
    /// Wraps the text.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Stands for a key that `up` will make.
    public static let unmade = PresharedKeyID(rawValue: "")
}

/// One WireGuard interface as it should be.
public struct DesiredInterface: Codable, Sendable, Equatable {
    /// `mp<generation>-<mesh>`, 15 characters at most.
    public var name: String
    /// Which set of keys this is, 0...9 in turn.
    public var generation: Int
    /// The public key of the node's own private key for this generation; zero where not made yet.
    public var publicKey: PublicKey
    /// The UDP port to listen on.
    public var listenPort: UInt16
    /// Which implementation to use.
    public var backend: BackendChoice
    /// The MTU, or nil to derive it from the underlay. *Units:* bytes.
    public var mtu: Int?
    /// The node's own overlay addresses, /32 and /128.
    public var addresses: [IPPrefix]
    /// The overlay networks, each closed off by an `unreachable` route.
    public var networks: [IPPrefix]
    /// Who may talk to this node.
    public var peers: [DesiredPeer]

    /// Gathers the parts.
    public init(
        name: String, generation: Int, publicKey: PublicKey, listenPort: UInt16,
        backend: BackendChoice, mtu: Int?, addresses: [IPPrefix], networks: [IPPrefix],
        peers: [DesiredPeer]
    ) {
        self.name = name
        self.generation = generation
        self.publicKey = publicKey
        self.listenPort = listenPort
        self.backend = backend
        self.mtu = mtu
        self.addresses = addresses
        self.networks = networks
        self.peers = peers
    }

    /// The name for a generation of a mesh's interface.
    public static func name(mesh: String, generation: Int) -> String { "mp\(generation)-\(mesh)" }
}

/// One WireGuard peer as it should be.
public struct DesiredPeer: Codable, Sendable, Equatable {
    /// The other node's name.
    public var node: String
    /// The other node's public key; zero where not made yet.
    public var publicKey: PublicKey
    /// Which preshared key the pair uses, or nil for none.
    public var presharedKey: PresharedKeyID?
    /// Where to reach it, or nil where it calls us.
    public var endpoint: Endpoint?
    /// What may come from and go to it.
    public var allowedIPs: [IPPrefix]
    /// Seconds between keepalives, or nil for none.
    public var keepalive: UInt16?

    /// Gathers the parts.
    public init(
        node: String, publicKey: PublicKey, presharedKey: PresharedKeyID?, endpoint: Endpoint?,
        allowedIPs: [IPPrefix], keepalive: UInt16?
    ) {
        self.node = node
        self.publicKey = publicKey
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.allowedIPs = allowedIPs
        self.keepalive = keepalive
    }
}

/// Marks by which meshproof knows its own things in the kernel.
public enum Ownership {
    /// The group of every interface of ours ("mp" in ASCII): the guard matches it, and not a name.
    public static let linkGroup: UInt32 = 0x6d70
    /// The protocol number of every route of ours ("m" in ASCII; free in iproute2's rt_protos).
    public static let routeProtocol: UInt8 = 0x6d
    /// The system user of a mesh's tunnels: nobody logs in as it, and it owns nothing.
    public static func tunnelUser(mesh: String) -> String { "mp-\(mesh)" }
    /// The metric of the `unreachable` routes: worse than any that a person or a daemon would choose.
    public static let unreachableMetric: UInt32 = 0x7fff_ff00
}
