/// What a witness saw on the wire during a run.
public struct CaptureFacts: Codable, Sendable, Equatable {
    /// Every device that was listened on.
    public var devices: [DeviceCapture]
    /// What passed between machines of the mesh outside the mesh, flow by flow.
    public var flows: [WireFlow]
    /// Where canaries were seen.
    public var canaries: [CanarySighting]
    /// Where control datagrams were seen.
    public var controls: [ControlSighting]
    /// Whether more was seen than could be kept.
    public var isOverfull: Bool

    /// Gathers the parts.
    public init(
        devices: [DeviceCapture], flows: [WireFlow], canaries: [CanarySighting],
        controls: [ControlSighting], isOverfull: Bool = false
    ) {
        self.devices = devices
        self.flows = flows
        self.canaries = canaries
        self.controls = controls
        self.isOverfull = isOverfull
    }
}

/// One device that was listened on.
public struct DeviceCapture: Codable, Sendable, Hashable {
    /// What a device is to the mesh.
    public enum Role: String, Codable, Sendable, Hashable, CaseIterable {
        /// It leads to other machines.
        case underlay
        /// It is the mesh's, or loopback: what is in clear there is inside.
        case inside
        /// It stays within the host: a container's bridge and its pairs.
        case inner
    }

    /// The device's name.
    public var name: String
    /// The kernel's index.
    public var index: Int32
    /// What it is to the mesh.
    public var role: Role
    /// Frames seen.
    public var frames: UInt64
    /// Frames that the kernel had to drop because they were not taken off in time.
    public var drops: UInt64
    /// Frames of which not every byte was kept.
    public var truncated: UInt64
    /// When listening began.
    public var began: FactTime
    /// When it ended.
    public var ended: FactTime
    /// Whether it was listening all the time between, on a device that stayed up.
    public var isAlive: Bool

    /// Gathers the parts.
    public init(
        name: String, index: Int32, role: Role, frames: UInt64, drops: UInt64, truncated: UInt64,
        began: FactTime, ended: FactTime, isAlive: Bool
    ) {
        self.name = name
        self.index = index
        self.role = role
        self.frames = frames
        self.drops = drops
        self.truncated = truncated
        self.began = began
        self.ended = ended
        self.isAlive = isAlive
    }
}

/// Packets of one flow between two machines of the mesh, seen on the underlay.
public struct WireFlow: Codable, Sendable, Hashable {
    /// What it was taken for.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// WireGuard, of the right endpoints and in the right shapes.
        case wireguard
        /// A tunnel's SSH session.
        case tunnel
        /// SSH for management.
        case management
        /// TLS of an edge.
        case tls
        /// ARP, neighbour discovery, ICMP, DHCP.
        case neighbour
        /// A control datagram of this run.
        case control
        /// Nothing that is allowed.
        case undeclared
    }

    /// How an undeclared flow's bytes look.
    public enum Appearance: String, Codable, Sendable, Hashable, CaseIterable {
        /// TLS records from the flow's beginning on.
        case tls
        /// An SSH session from the flow's beginning on.
        case ssh
        /// WireGuard's shapes, but not between the right endpoints.
        case wireguard
        /// Packets without a payload.
        case empty
        /// Anything else: taken for clear text.
        case clear
    }

    /// What it was taken for.
    public var kind: Kind
    /// The device that it was seen on.
    public var device: String
    /// The node that sent the flow's first packet, by its address.
    public var from: String
    /// The other node.
    public var to: String
    /// The address that it came from, and its port (0 where there is none).
    public var source: SocketEndpoint?
    /// The address that it went to.
    public var destination: SocketEndpoint?
    /// The IP protocol, or nil where it is no IP at all.
    public var ipProtocol: UInt8?
    /// The Ethernet type.
    public var etherType: UInt16
    /// Packets in both directions.
    public var packets: UInt64
    /// Bytes of these packets.
    public var bytes: UInt64
    /// Bytes of payload above TCP or UDP.
    public var payload: UInt64
    /// How its bytes look.
    public var appearance: Appearance
    /// For people: what it is, in a few words, `HTTP GET`, `vxlan`, `GRE`.
    public var summary: String
    /// Whether it is no more than a request for a TCP connection, which was refused or stayed without an answer.
    public var isAttempt: Bool

    /// Gathers the parts.
    public init(
        kind: Kind, device: String, from: String, to: String, source: SocketEndpoint?,
        destination: SocketEndpoint?, ipProtocol: UInt8?, etherType: UInt16, packets: UInt64,
        bytes: UInt64, payload: UInt64, appearance: Appearance, summary: String,
        isAttempt: Bool = false
    ) {
        self.kind = kind
        self.device = device
        self.from = from
        self.to = to
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.etherType = etherType
        self.packets = packets
        self.bytes = bytes
        self.payload = payload
        self.appearance = appearance
        self.summary = summary
        self.isAttempt = isAttempt
    }
}

/// A canary that was seen.
public struct CanarySighting: Codable, Sendable, Hashable {
    /// The canary.
    public var canary: String
    /// On which device.
    public var device: String
    /// What that device is to the mesh.
    public var role: DeviceCapture.Role
    /// In how many packets.
    public var packets: UInt64
    /// Where the first of these came from, if it was IP.
    public var source: SocketEndpoint?
    /// Where it went.
    public var destination: SocketEndpoint?
    /// For people: in what, `TCP`, `UDP fragment`, `vxlan`.
    public var summary: String

    /// Gathers the parts.
    public init(
        canary: String, device: String, role: DeviceCapture.Role, packets: UInt64,
        source: SocketEndpoint?, destination: SocketEndpoint?, summary: String
    ) {
        self.canary = canary
        self.device = device
        self.role = role
        self.packets = packets
        self.source = source
        self.destination = destination
        self.summary = summary
    }
}

/// A control datagram that was seen.
public struct ControlSighting: Codable, Sendable, Hashable {
    /// The node that sent it.
    public var from: String
    /// On which device.
    public var device: String
    /// In how many packets.
    public var packets: UInt64

    /// Gathers the parts.
    public init(from: String, device: String, packets: UInt64) {
        self.from = from
        self.device = device
        self.packets = packets
    }
}
