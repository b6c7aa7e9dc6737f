/// Who peers with whom, by position in a sorted list of names, so that large meshes cost no string work.
struct PeeringGraph {
    /// Node names in order.
    let names: [String]
    /// Positions in `names`, the smaller first, sorted; each pair once.
    let pairs: [Pair]

    struct Pair: Hashable, Comparable {
        let a: Int32
        let b: Int32

        init(_ one: Int, _ other: Int) {
            a = Int32(truncatingIfNeeded: min(one, other))
            b = Int32(truncatingIfNeeded: max(one, other))
        }

        static func < (left: Pair, right: Pair) -> Bool { (left.a, left.b) < (right.a, right.b) }
    }

    init(_ topology: Topology) {
        let names = topology.nodes.map(\.name).sorted()
        self.names = names
        let positions = Dictionary(
            zip(names, names.indices), uniquingKeysWith: { first, _ in first })
        switch topology.mesh.peering {
        case .full:
            pairs = names.indices.flatMap { a in
                (a + 1..<max(a + 1, names.count)).map { Pair(a, $0) }
            }
        case .hub(let hub):
            guard let centre = positions[hub] else {
                pairs = []
                return
            }
            pairs = names.indices.filter { $0 != centre }.map { Pair($0, centre) }.sorted()
        case .paths:
            let index = PartyIndex(topology)
            var found: Set<Pair> = []
            for edge in topology.paths.lazy.flatMap(\.edges) where edge.needsPeering {
                if let from = index.owner(of: edge.from), let to = index.owner(of: edge.to),
                    from != to,
                    let a = positions[from], let b = positions[to]
                {
                    found.insert(Pair(a, b))
                }
            }
            pairs = found.sorted()
        }
    }
}
