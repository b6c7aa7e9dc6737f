/// What a node's witness is to look at during one run.
public struct WitnessOrder: Codable, Sendable, Equatable {
    /// The run's random number, 32 hexadecimal digits; every fact carries it.
    public var nonce: String
    /// The mesh's identity.
    public var meshID: String
    /// The node that is asked.
    public var node: String
    /// Every machine of the mesh and its addresses; whatever passes between two of them must be allowed.
    public var hosts: [HostFace]
    /// What may pass between machines of the mesh on the underlay.
    public var allowed: [AllowedFlow]
    /// What every canary of this run begins with.
    public var canaryPrefix: String
    /// The text of the clear datagram that proves that the capture sees; each node sends its own, `control` + node name.
    public var controlPrefix: String
    /// Where this node sends its control datagram.
    public var controlTargets: [SocketEndpoint]
    /// Flows whose route the kernel is asked for.
    public var flows: [FlowQuestion]
    /// TCP ports of services, and of tunnels' near ends, that matter on this node.
    public var ports: [UInt16]
    /// How much of the capture may be kept. *Units:* bytes.
    public var captureLimit: Int

    /// Gathers the parts.
    public init(
        nonce: String, meshID: String, node: String, hosts: [HostFace], allowed: [AllowedFlow],
        canaryPrefix: String, controlPrefix: String, controlTargets: [SocketEndpoint],
        flows: [FlowQuestion], ports: [UInt16], captureLimit: Int = 64 << 20
    ) {
        self.nonce = nonce
        self.meshID = meshID
        self.node = node
        self.hosts = hosts
        self.allowed = allowed
        self.canaryPrefix = canaryPrefix
        self.controlPrefix = controlPrefix
        self.controlTargets = controlTargets
        self.flows = flows
        self.ports = ports
        self.captureLimit = captureLimit
    }
}

/// A machine of the mesh as it shows on the wire.
public struct HostFace: Codable, Sendable, Equatable {
    /// The node.
    public var node: String
    /// Its underlay addresses.
    public var underlay: [IPAddress]
    /// Its overlay addresses: on the underlay they may not show at all.
    public var overlay: [IPAddress]
    /// Its hardware addresses, `02:00:00:00:00:01`.
    public var hardware: [String]

    /// Gathers the parts.
    public init(node: String, underlay: [IPAddress], overlay: [IPAddress], hardware: [String]) {
        self.node = node
        self.underlay = underlay
        self.overlay = overlay
        self.hardware = hardware
    }
}

/// Traffic between two machines that may be on the underlay, in both directions.
public struct AllowedFlow: Codable, Sendable, Hashable {
    /// What it has to be.
    public var kind: Kind
    /// 6 for TCP, 17 for UDP.
    public var ipProtocol: UInt8
    /// One machine.
    public var a: String
    /// Its port, or nil for any.
    public var aPort: UInt16?
    /// The other machine.
    public var b: String
    /// Its port, or nil for any.
    public var bPort: UInt16?

    /// What allowed traffic is.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// WireGuard's messages, in their shapes.
        case wireguard
        /// A tunnel's SSH session.
        case tunnel
        /// SSH for management.
        case management
        /// TLS of an edge.
        case tls
    }

    /// Gathers the parts.
    public init(kind: Kind, ipProtocol: UInt8, a: String, aPort: UInt16?, b: String, bPort: UInt16?)
    {
        self.kind = kind
        self.ipProtocol = ipProtocol
        self.a = a
        self.aPort = aPort
        self.b = b
        self.bPort = bPort
    }
}

/// One flow whose way the kernel is asked for, in the direction in which the asked node sends.
public struct FlowQuestion: Codable, Sendable, Hashable {
    /// The edge that it belongs to.
    public var edge: String
    /// Whether it is the answer's direction.
    public var isReply: Bool
    /// Where packets come from.
    public var source: IPAddress
    /// Where they go to.
    public var destination: IPAddress
    /// The source port; nil for one of the client's choice.
    public var sourcePort: UInt16?
    /// The destination port; nil for one of the client's choice.
    public var destinationPort: UInt16?
    /// Which users to ask for; the empty list asks for root alone.
    public var users: [UInt32]

    /// Gathers the parts.
    public init(
        edge: String, isReply: Bool, source: IPAddress, destination: IPAddress, sourcePort: UInt16?,
        destinationPort: UInt16?, users: [UInt32]
    ) {
        self.edge = edge
        self.isReply = isReply
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.users = users
    }
}
