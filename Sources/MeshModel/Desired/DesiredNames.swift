/// Names that a node's own resolver is to know: a block of lines in /etc/hosts.
public struct DesiredNames: Codable, Sendable, Equatable {
    /// One line: an address and what it is called.
    public struct Entry: Codable, Sendable, Hashable {
        /// An overlay address.
        public var address: IPAddress
        /// `<node>.<mesh>`, and `<service>.<mesh>` for each service there that the mesh can reach.
        public var names: [String]

        /// Pairs the two.
        public init(address: IPAddress, names: [String]) {
            self.address = address
            self.names = names
        }
    }

    /// The lines in their order.
    public var entries: [Entry]

    /// Gathers the lines.
    public init(entries: [Entry]) { self.entries = entries }
}

/// Which names each node is to know. Pure.
///
/// A node knows itself and those that it is joined with, by a peering or an edge: so that a new peer changes nothing
/// on nodes that it does not concern.
public struct NamesResolver {
    private let topology: Topology
    private let entries: [String: [DesiredNames.Entry]]

    /// For a topology and every node's overlay addresses.
    public init(_ topology: Topology, addresses: [String: [IPAddress]]) {
        self.topology = topology
        let services = Dictionary(grouping: topology.services, by: \.node)
        var entries: [String: [DesiredNames.Entry]] = [:]
        for node in topology.nodes {
            // What listens within its host only is not at the overlay address.
            let reachable = (services[node.name] ?? []).filter {
                switch $0.bind {
                case .any, .mesh: true
                case .address(let address): addresses[node.name]?.contains(address) ?? false
                case .loopback, .unix: false
                }
            }
            let names = ([node.name] + reachable.map(\.name)).map { "\($0).\(topology.mesh.name)" }
            entries[node.name] = (addresses[node.name] ?? []).map {
                DesiredNames.Entry(address: $0, names: names)
            }
        }
        self.entries = entries
    }

    /// The names of every managed node; none where the mesh wants none.
    public func resolve() -> [String: DesiredNames] {
        guard topology.mesh.namesEnabled else { return [:] }
        let names = topology.managedNames
        if topology.mesh.peering == .full {
            // Everybody knows everybody: made once and shared.
            let all = DesiredNames(
                entries: topology.nodes.map(\.name).sorted().flatMap { entries[$0] ?? [] })
            return Dictionary(uniqueKeysWithValues: names.map { ($0, all) })
        }
        var known: [String: Set<String>] = [:]
        func join(_ one: String, _ other: String) {
            known[one, default: [one]].insert(other)
            known[other, default: [other]].insert(one)
        }
        for pair in topology.peerings() { join(pair.a, pair.b) }
        let index = PartyIndex(topology)
        for edge in topology.edges where edge.needsPeering {
            if let from = index.owner(of: edge.from), let to = index.owner(of: edge.to) {
                join(from, to)
            }
        }
        return Dictionary(
            uniqueKeysWithValues: names.map { name in
                let parties = (known[name] ?? [name]).sorted()
                return (name, DesiredNames(entries: parties.flatMap { entries[$0] ?? [] }))
            })
    }
}
