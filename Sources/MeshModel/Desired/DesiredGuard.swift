/// What a node's guard is to let in, keep out and keep from leaving. Pure description; `PacketFilter` makes the table.
///
/// Management SSH and meshproof's own ports are not in it: what a guard does not name, it leaves alone.
public struct DesiredGuard: Codable, Sendable, Hashable {
    /// The node's own overlay addresses.
    public var addresses: [IPAddress]
    /// The overlay networks: nothing for them leaves by another interface than the mesh's.
    public var networks: [IPPrefix]
    /// What may come from the mesh, sorted: to this node, and on a hub also past it.
    public var admitted: [GuardFlow]
    /// What may be forwarded into the mesh for containers of this node: the services that its edges go to, sorted.
    public var reachable: [SocketEndpoint]
    /// What may not come from anywhere but loopback and the mesh, sorted.
    public var shielded: [ShieldedPort]
    /// The TCP port that is open to the whole mesh because the controller manages the node through it; nil for none.
    public var managementPort: UInt16?

    /// Gathers the parts.
    public init(
        addresses: [IPAddress], networks: [IPPrefix], admitted: [GuardFlow] = [],
        reachable: [SocketEndpoint] = [], shielded: [ShieldedPort] = [],
        managementPort: UInt16? = nil
    ) {
        self.addresses = addresses
        self.networks = networks
        self.admitted = admitted
        self.reachable = reachable
        self.shielded = shielded
        self.managementPort = managementPort
    }
}

/// Connections that a declared edge makes: from one overlay address to a TCP port of another.
public struct GuardFlow: Codable, Sendable, Hashable, Comparable {
    /// Where they come from.
    public var from: IPAddress
    /// Where they go to; of the same family.
    public var to: IPAddress
    /// The TCP port.
    public var port: UInt16

    /// Gathers the parts.
    public init(from: IPAddress, to: IPAddress, port: UInt16) {
        self.from = from
        self.to = to
        self.port = port
    }

    /// By destination, then source.
    public static func < (left: GuardFlow, right: GuardFlow) -> Bool {
        (left.to, left.port, left.from) < (right.to, right.port, right.from)
    }
}

/// A port that is closed to everything but loopback and the mesh.
public struct ShieldedPort: Codable, Sendable, Hashable, Comparable {
    /// What the port is of.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// TCP, and so MPTCP.
        case tcp
        /// UDP.
        case udp
    }

    /// What it is of.
    public var kind: Kind
    /// The port.
    public var port: UInt16

    /// Pairs the two.
    public init(_ kind: Kind, _ port: UInt16) {
        self.kind = kind
        self.port = port
    }

    /// By port, TCP first.
    public static func < (left: ShieldedPort, right: ShieldedPort) -> Bool {
        (left.port, left.kind.rawValue) < (right.port, right.kind.rawValue)
    }
}

extension Ownership {
    /// The UDP port of the greetings that make WireGuard do a handshake: discard (RFC 863).
    public static let nudgePort: UInt16 = 9
    /// The SSH port that is never shielded, whatever the topology says of a node's management.
    public static let sshPort: UInt16 = 22
    /// The nftables table of a mesh's guard, of family `inet`.
    public static func guardTable(mesh: String) -> String { "meshproof-\(mesh)" }
}
