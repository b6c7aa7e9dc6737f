/// Finds the parties of a topology's edges by name, in constant time.
public struct PartyIndex: Sendable {
    private let nodes: [String: Node]
    private let services: [String: Service]

    /// Indexes a topology; of two parties with one name the first counts.
    public init(_ topology: Topology) {
        nodes = Dictionary(
            topology.nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        services = Dictionary(
            topology.services.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The node called `name`.
    public func node(_ name: String) -> Node? { nodes[name] }
    /// The service called `name`.
    public func service(_ name: String) -> Service? { services[name] }

    /// The node that a party is: itself where it is a node, else the node its service is on.
    public func owner(of party: String) -> String? {
        if let service = services[party] { return service.node }
        return nodes[party]?.name
    }
}

extension Topology {
    /// The node that a party is: itself where it is a node, else the node its service is on.
    public func owner(of party: String) -> String? {
        service(party)?.node ?? node(party)?.name
    }
}

extension Edge {
    /// Whether this edge's packets travel through the mesh's WireGuard, and so need a peering.
    ///
    /// An SSH tunnel goes over the underlay unless it says `over: mesh`; TLS brings its own encryption.
    public var needsPeering: Bool {
        via == .wireguard || via == .ssh && options["over"] == "mesh"
    }
}
