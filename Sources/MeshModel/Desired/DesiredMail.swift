/// Who keeps documents for a node while it is away, and for whom it keeps some: its managed peers.
///
/// A node document is signed, names its node, and its revision only grows, so anybody may carry it. What is left at a
/// peer is sealed for its addressee; the peer can withhold it and do nothing else.
public struct DesiredMail: Codable, Sendable, Equatable {
    /// One managed peer.
    public struct Peer: Codable, Sendable, Equatable {
        /// Its name.
        public var node: String
        /// Its overlay addresses: where it is asked, and by which it is known when it asks.
        public var addresses: [IPAddress]

        /// Pairs the two.
        public init(node: String, addresses: [IPAddress]) {
            self.node = node
            self.addresses = addresses
        }
    }

    /// The TCP port on overlay addresses at which agents ask each other.
    public var port: UInt16
    /// The managed peers, in name order.
    public var peers: [Peer]

    /// Gathers the parts.
    public init(port: UInt16, peers: [Peer]) {
        self.port = port
        self.peers = peers
    }

    /// The port for a mesh: the number of its WireGuard port, which does not change as keys do.
    public static func port(of mesh: Mesh) -> UInt16 { mesh.port }
}

/// Who keeps mail for whom. Pure.
struct MailResolver {
    private let topology: Topology
    private let graph: PeeringGraph
    private let addresses: [String: [IPAddress]]

    init(_ topology: Topology, addresses: [String: [IPAddress]], graph: PeeringGraph? = nil) {
        self.topology = topology
        self.addresses = addresses
        self.graph = graph ?? PeeringGraph(topology)
    }

    /// The mail of every managed node that has a managed peer.
    func resolve() -> [String: DesiredMail] {
        let managed = topology.managedNames
        let isManaged = graph.names.map(managed.contains)
        let all = graph.names.map { DesiredMail.Peer(node: $0, addresses: addresses[$0] ?? []) }
        var peers = [[DesiredMail.Peer]](repeating: [], count: all.count)
        // Pairs come sorted, so each list is in name order without sorting.
        for pair in graph.pairs where isManaged[Int(pair.a)] && isManaged[Int(pair.b)] {
            peers[Int(pair.a)].append(all[Int(pair.b)])
            peers[Int(pair.b)].append(all[Int(pair.a)])
        }
        let port = DesiredMail.port(of: topology.mesh)
        var mail: [String: DesiredMail] = [:]
        for position in all.indices where !peers[position].isEmpty {
            mail[graph.names[position]] = DesiredMail(port: port, peers: peers[position])
        }
        return mail
    }
}
