/// What one node observed during one run. A section that is nil was not looked at, which never counts in an edge's favour.
public struct NodeFacts: Codable, Sendable, Equatable {
    /// The node that speaks.
    public var node: String
    /// The mesh's identity.
    public var meshID: String
    /// The run's nonce, from the order.
    public var nonce: String
    /// The program's version.
    public var program: String
    /// The kernel's boot id.
    public var bootID: String
    /// The inode of the network namespace that was looked at.
    public var namespace: UInt64
    /// When looking began.
    public var began: FactTime
    /// When it ended.
    public var ended: FactTime
    /// Our interfaces when looking began.
    public var earlierInterfaces: [ObservedInterface]?
    /// Our interfaces when it ended.
    public var interfaces: [ObservedInterface]?
    /// Every link of the namespace.
    public var links: [LinkFact]?
    /// How the namespace routes.
    public var routing: RoutingFacts?
    /// Sockets, of every network namespace of the host.
    public var sockets: [NamespaceSockets]?
    /// Connections that the kernel tracks, those that concern the order's ports and hosts.
    public var tracked: [TrackedConnection]?
    /// What packet filters and traffic control could do to an edge.
    public var rewriting: RewritingFacts?
    /// What the node's agent says.
    public var agent: AgentFacts?
    /// What was seen on the wire.
    public var capture: CaptureFacts?
    /// What came of the probes that this node put.
    public var probes: [ProbeFact]?
    /// What could not be looked at, and why.
    public var failures: [FactFailure]

    /// Gathers the parts.
    public init(
        node: String, meshID: String, nonce: String, program: String, bootID: String,
        namespace: UInt64, began: FactTime, ended: FactTime,
        earlierInterfaces: [ObservedInterface]? = nil, interfaces: [ObservedInterface]? = nil,
        links: [LinkFact]? = nil, routing: RoutingFacts? = nil, sockets: [NamespaceSockets]? = nil,
        tracked: [TrackedConnection]? = nil, rewriting: RewritingFacts? = nil,
        agent: AgentFacts? = nil, capture: CaptureFacts? = nil, probes: [ProbeFact]? = nil,
        failures: [FactFailure] = []
    ) {
        self.node = node
        self.meshID = meshID
        self.nonce = nonce
        self.program = program
        self.bootID = bootID
        self.namespace = namespace
        self.began = began
        self.ended = ended
        self.earlierInterfaces = earlierInterfaces
        self.interfaces = interfaces
        self.links = links
        self.routing = routing
        self.sockets = sockets
        self.tracked = tracked
        self.rewriting = rewriting
        self.agent = agent
        self.capture = capture
        self.probes = probes
        self.failures = failures
    }
}

/// A moment on one machine.
public struct FactTime: Codable, Sendable, Hashable {
    /// *Units:* seconds since 1970.
    public var wall: Double
    /// *Units:* seconds of the monotonic clock of this boot.
    public var monotonic: Double

    /// Gathers the parts.
    public init(wall: Double, monotonic: Double) {
        self.wall = wall
        self.monotonic = monotonic
    }
}

/// Something that could not be looked at.
public struct FactFailure: Codable, Sendable, Hashable {
    /// Which section of ``NodeFacts``, by its field's name.
    public var section: String
    /// Why.
    public var message: String
    /// What to do about it.
    public var fix: String

    /// Gathers the parts.
    public init(section: String, message: String, fix: String) {
        self.section = section
        self.message = message
        self.fix = fix
    }
}

/// A link as it is.
public struct LinkFact: Codable, Sendable, Hashable {
    /// The kernel's index.
    public var index: Int32
    /// Its name.
    public var name: String
    /// What made it (`wireguard`, `tun`, `veth`, `vxlan`, …), or nil for hardware.
    public var kind: String?
    /// Its group.
    public var group: UInt32
    /// *Units:* bytes.
    public var mtu: UInt32
    /// Whether it is administratively up.
    public var isUp: Bool
    /// The bridge or bond that it is a part of.
    public var master: Int32?
    /// Its hardware address, `02:00:00:00:00:01`, or nil.
    public var hardware: String?
    /// Its addresses.
    public var addresses: [IPPrefix]

    /// Gathers the parts.
    public init(
        index: Int32, name: String, kind: String?, group: UInt32, mtu: UInt32, isUp: Bool,
        master: Int32?, hardware: String?, addresses: [IPPrefix]
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.group = group
        self.mtu = mtu
        self.isUp = isUp
        self.master = master
        self.hardware = hardware
        self.addresses = addresses
    }
}

/// What the node's agent says of what it keeps.
public struct AgentFacts: Codable, Sendable, Equatable {
    /// The revision in force.
    public var revision: UInt64
    /// How many steps drift repair would take now.
    public var drift: [String]
    /// The tunnels that begin here.
    public var tunnels: [ObservedTunnel]
    /// The server of the tunnels that end here.
    public var tunnelServer: ObservedTunnelServer?
    /// The guard.
    public var `guard`: ObservedGuard?

    /// Gathers the parts.
    public init(
        revision: UInt64, drift: [String], tunnels: [ObservedTunnel],
        tunnelServer: ObservedTunnelServer?, guard: ObservedGuard?
    ) {
        self.revision = revision
        self.drift = drift
        self.tunnels = tunnels
        self.tunnelServer = tunnelServer
        self.guard = `guard`
    }
}
