/// What a node's kernel said, filtered to what meshproof owns. The counterpart of ``NodeDocument``.
public struct ObservedNode: Codable, Sendable, Equatable {
    /// The kernel's boot id, so that facts from before a restart are told apart.
    public var bootID: String
    /// When it was observed. *Units:* seconds since 1970.
    public var observedAt: Double
    /// Our interfaces, by name and group.
    public var interfaces: [ObservedInterface]
    /// Our routes, by protocol number.
    public var routes: [ObservedRoute]
    /// The MTU that the underlay leaves for each interface of the document it was observed for, by name.
    public var derivedMTU: [String: Int]
    /// Names of the document's endpoints that were resolved, as `host:port`, to what they resolved to.
    public var resolved: [String: SocketEndpoint]
    /// The tunnels that begin on the node, in the order of their edges.
    public var tunnels: [ObservedTunnel]
    /// The tunnel server, or nil where there is none and none is wanted.
    public var tunnelServer: ObservedTunnelServer?
    /// The guard, or nil where there is none and none is wanted.
    public var `guard`: ObservedGuard?
    /// The names, or nil where there are none and none are wanted.
    public var names: ObservedNames?

    /// Gathers the parts.
    public init(
        bootID: String, observedAt: Double, interfaces: [ObservedInterface],
        routes: [ObservedRoute],
        derivedMTU: [String: Int] = [:], resolved: [String: SocketEndpoint] = [:],
        tunnels: [ObservedTunnel] = [], tunnelServer: ObservedTunnelServer? = nil,
        guard: ObservedGuard? = nil, names: ObservedNames? = nil
    ) {
        self.bootID = bootID
        self.observedAt = observedAt
        self.interfaces = interfaces
        self.routes = routes
        self.derivedMTU = derivedMTU
        self.resolved = resolved
        self.tunnels = tunnels
        self.tunnelServer = tunnelServer
        self.guard = `guard`
        self.names = names
    }

    /// A node on which nothing of ours is.
    public static let bare = ObservedNode(bootID: "", observedAt: 0, interfaces: [], routes: [])
}

/// What carries an interface.
public enum InterfaceKind: Codable, Sendable, Hashable {
    /// The kernel's WireGuard.
    case kernel
    /// A tun device that our wireguard-go holds.
    case userspace
    /// Something else that took the name; the kernel's word for it.
    case foreign(kind: String)
}

/// One interface as it is.
public struct ObservedInterface: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// The kernel's index.
    public var index: Int32
    /// What it is.
    public var kind: InterfaceKind
    /// Whether it is administratively up.
    public var isUp: Bool
    /// *Units:* bytes.
    public var mtu: Int
    /// Its link group.
    public var group: UInt32
    /// Its addresses.
    public var addresses: [IPPrefix]
    /// Its WireGuard side, or nil where it is foreign or does not answer.
    public var device: ObservedDevice?

    /// Gathers the parts.
    public init(
        name: String, index: Int32, kind: InterfaceKind, isUp: Bool, mtu: Int, group: UInt32,
        addresses: [IPPrefix], device: ObservedDevice?
    ) {
        self.name = name
        self.index = index
        self.kind = kind
        self.isUp = isUp
        self.mtu = mtu
        self.group = group
        self.addresses = addresses
        self.device = device
    }
}

/// A WireGuard device as it is. Private and preshared keys are never kept of a read.
public struct ObservedDevice: Codable, Sendable, Equatable {
    /// The device's public key, or nil where it has none.
    public var publicKey: PublicKey?
    /// Its UDP port.
    public var listenPort: UInt16
    /// Its firewall mark, 0 for none.
    public var fwmark: UInt32
    /// Its peers.
    public var peers: [ObservedPeer]

    /// Gathers the parts.
    public init(publicKey: PublicKey?, listenPort: UInt16, fwmark: UInt32, peers: [ObservedPeer]) {
        self.publicKey = publicKey
        self.listenPort = listenPort
        self.fwmark = fwmark
        self.peers = peers
    }
}

/// A WireGuard peer as it is.
public struct ObservedPeer: Codable, Sendable, Equatable {
    /// The peer's public key.
    public var publicKey: PublicKey
    /// Which preshared key is set, or nil for none.
    public var presharedKey: PresharedKeyID?
    /// Where it was last heard or was told to be.
    public var endpoint: SocketEndpoint?
    /// Seconds between keepalives, 0 for none.
    public var keepalive: UInt16
    /// What may come from and go to it.
    public var allowedIPs: [IPPrefix]
    /// Seconds since 1970 of the last handshake, or 0 for never.
    public var lastHandshake: Double
    /// Bytes received.
    public var rxBytes: UInt64
    /// Bytes sent.
    public var txBytes: UInt64

    /// Gathers the parts.
    public init(
        publicKey: PublicKey, presharedKey: PresharedKeyID?, endpoint: SocketEndpoint?,
        keepalive: UInt16, allowedIPs: [IPPrefix], lastHandshake: Double, rxBytes: UInt64,
        txBytes: UInt64
    ) {
        self.publicKey = publicKey
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.keepalive = keepalive
        self.allowedIPs = allowedIPs
        self.lastHandshake = lastHandshake
        self.rxBytes = rxBytes
        self.txBytes = txBytes
    }
}

/// A route of ours as it is, or as it should be.
public struct ObservedRoute: Codable, Sendable, Hashable {
    /// What it does with a packet.
    public enum Kind: String, Codable, Sendable, Hashable {
        /// Sends it out of `interface`.
        case unicast
        /// Refuses it.
        case unreachable
    }

    /// Which destinations.
    public var destination: IPPrefix
    /// What happens to them.
    public var kind: Kind
    /// By which interface; nil for `unreachable`.
    public var interface: String?
    /// The preferred source address.
    public var source: IPAddress?
    /// The metric, 0 for none.
    public var metric: UInt32

    /// Gathers the parts.
    public init(
        destination: IPPrefix, kind: Kind, interface: String?, source: IPAddress?, metric: UInt32
    ) {
        self.destination = destination
        self.kind = kind
        self.interface = interface
        self.source = source
        self.metric = metric
    }
}
