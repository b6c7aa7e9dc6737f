/// A peering and why it exists, for `check`.
public struct DerivedPeering: Sendable, Equatable {
    /// The two nodes.
    public let peering: Peering
    /// The edges that travel over it, in the file's order; in `full` and `hub` meshes there may be none.
    public let edges: [Edge]

    /// Pairs a peering with its edges.
    public init(peering: Peering, edges: [Edge]) {
        self.peering = peering
        self.edges = edges
    }
}

extension Topology {
    /// The node pairs that are WireGuard peers, unmanaged nodes included, sorted and each once.
    public func peerings() -> [Peering] {
        let graph = PeeringGraph(self)
        return graph.pairs.map { Peering(ordered: graph.names[Int($0.a)], graph.names[Int($0.b)]) }
    }

    /// The peerings with the edges that travel over each. Through a hub, an edge between two others travels
    /// over two peerings.
    public func derivedPeerings() -> [DerivedPeering] {
        let index = PartyIndex(self)
        var carried: [Peering: [Edge]] = [:]
        for edge in edges where edge.needsPeering {
            guard let from = index.owner(of: edge.from), let to = index.owner(of: edge.to),
                from != to
            else { continue }
            for peering in hops(from: from, to: to) { carried[peering, default: []].append(edge) }
        }
        return peerings().map { DerivedPeering(peering: $0, edges: carried[$0] ?? []) }
    }

    private func hops(from: String, to: String) -> [Peering] {
        guard case .hub(let hub) = mesh.peering, from != hub, to != hub else {
            return [Peering(from, to)]
        }
        return [Peering(from, hub), Peering(hub, to)]
    }
}
