extension Resolver {
    /// The interface that an unmanaged node is to be handed: all its peers, each with exactly the addresses that the
    /// node's edges need. Nil for a name that is no unmanaged node's.
    ///
    /// Behind a hub these are the hub's own and those of the nodes that an edge joins it with, not the whole overlay.
    ///
    /// - Parameter gateway: a peer through which everything else goes as well, or nil for none.
    public static func handedInterface(
        _ name: String, in topology: Topology, inputs: ResolverInputs, gateway: String? = nil
    ) -> DesiredInterface? {
        guard let node = topology.node(name), !node.managed else { return nil }
        let graph = PeeringGraph(topology)
        let faces = PeerFaces(topology, graph: graph, inputs: inputs)
        guard let position = faces.positions[name] else { return nil }
        var peers: [DesiredPeer] = []
        for pair in graph.pairs where Int(pair.a) == position || Int(pair.b) == position {
            let other = Int(pair.a) == position ? Int(pair.b) : Int(pair.a)
            var peer = faces.peer(other, seenBy: position, nil)
            if case .hub(let hub) = topology.mesh.peering, hub == peer.node {
                let needed = topology.neighbours(of: name).union([hub])
                peer.allowedIPs = needed.sorted().flatMap {
                    (inputs.addresses[$0] ?? []).map(IPPrefix.init(host:))
                }
            }
            if peer.node == gateway {
                peer.allowedIPs = ["0.0.0.0/0", "::/0"].compactMap { IPPrefix($0) }
            }
            if peer.publicKey != .zero { peers.append(peer) }
        }
        return DesiredInterface(
            name: topology.mesh.name, generation: inputs.generation,
            publicKey: inputs.keys[name] ?? .zero,
            listenPort: node.endpoint == nil
                ? 0
                : listenPort(
                    node.endpointPort ?? topology.mesh.port, generation: inputs.generation),
            backend: .auto, mtu: topology.mesh.mtu, addresses: faces.hosts[position],
            networks: topology.mesh.networks, peers: peers)
    }
}

extension Topology {
    /// The nodes that an edge through the mesh joins this one with, in either direction.
    public func neighbours(of name: String) -> Set<String> {
        let index = PartyIndex(self)
        var found: Set<String> = []
        for edge in edges where edge.needsPeering {
            guard let from = index.owner(of: edge.from), let to = index.owner(of: edge.to) else {
                continue
            }
            if from == name { found.insert(to) }
            if to == name { found.insert(from) }
        }
        return found.subtracting([name])
    }

    /// Everything that would hang in the air without a node.
    public func dependents(of name: String) -> NodeDependents {
        let services = services.filter { $0.node == name }.map(\.name)
        let parties = Set(services + [name])
        return NodeDependents(
            services: services,
            edges: paths.flatMap { path in
                path.edges.filter { parties.contains($0.from) || parties.contains($0.to) }
                    .map { NodeDependents.PathEdge(path: path.name, edge: $0) }
            },
            forbidden: forbid.filter { parties.contains($0.from) || parties.contains($0.to) },
            isHub: mesh.peering == .hub(name))
    }
}

/// What a topology says of a node beside the node itself.
public struct NodeDependents: Sendable, Equatable {
    /// An edge and the path that it is part of.
    public struct PathEdge: Sendable, Equatable {
        /// The path's name.
        public let path: String
        /// The edge.
        public let edge: Edge
    }

    /// The services on the node.
    public let services: [String]
    /// The edges from or to it, or its services.
    public let edges: [PathEdge]
    /// The forbidden pairs that name it or its services.
    public let forbidden: [ForbiddenEdge]
    /// Whether it is the mesh's hub.
    public let isHub: Bool

    /// Whether nothing hangs on the node.
    public var isEmpty: Bool {
        services.isEmpty && edges.isEmpty && forbidden.isEmpty && !isHub
    }
}
