public import MeshModel
public import TopologyFile

/// Which edits of the topology a `peer` command comes to. Pure.
public enum PeerEdits {
    /// Adds a node and its edges.
    ///
    /// An edge goes into `path`; where none is named, into the first path that has an edge to the same service, else
    /// into one called `access`.
    ///
    /// - Parameter node: where the topology has an unmanaged node of this name without a key, it only gets the key.
    /// *Throws:* ``ControllerError`` `usage` where the node is there already.
    public static func add(
        _ node: Node, edgesTo services: [String], via: Transport, path: String?,
        in topology: Topology
    ) throws(ControllerError) -> [TopologyEdit] {
        var edits: [TopologyEdit] = []
        if let existing = topology.node(node.name) {
            guard let key = node.publicKey, !existing.managed, existing.publicKey == nil else {
                throw ControllerError(
                    .usage, "\(node.name) is in the topology already",
                    hint: "edit it there, or meshproof peer rm \(node.name) first")
            }
            if node.endpoint != nil || !node.addresses.isEmpty {
                throw ControllerError(
                    .usage, "\(node.name) is in the topology already, and is only given a key",
                    hint: "write its endpoint and addresses there")
            }
            edits.append(.setPublicKey(key, node: node.name))
        } else {
            edits.append(.addNode(node))
        }
        return edits + edges(from: node.name, to: services, via: via, path: path, in: topology)
    }

    /// Adds a node that joins by itself, where it is not there yet, and its edges.
    ///
    /// *Throws:* ``ControllerError`` `usage` where a node of this name is there and is reached in another way, or is to be
    /// changed beside.
    public static func invite(
        _ node: Node, edgesTo services: [String], via: Transport, path: String?,
        in topology: Topology
    ) throws(ControllerError) -> [TopologyEdit] {
        guard let existing = topology.node(node.name) else {
            return try add(node, edgesTo: services, via: via, path: path, in: topology)
        }
        guard existing.isReachedByMail else {
            throw ControllerError(
                .usage, "\(node.name) is in the topology already, and does not join by itself",
                hint: existing.managed
                    ? "meshproof up sets it up; where nothing can log in to it, write connect: join there"
                    : "give the machine another name, or meshproof peer rm \(node.name) first")
        }
        let asked = [node.endpoint, node.addresses.first?.description].compactMap(\.self)
        guard asked.isEmpty else {
            throw ControllerError(
                .usage, "\(node.name) is in the topology already, and is only invited again",
                hint: "write its endpoint and addresses there")
        }
        return edges(from: node.name, to: services, via: via, path: path, in: topology)
    }

    private static func edges(
        from name: String, to services: [String], via: Transport, path: String?,
        in topology: Topology
    ) -> [TopologyEdit] {
        services.compactMap { service in
            let edge = Edge(from: name, to: service, via: via)
            if topology.edges.contains(where: { $0.id == edge.id && $0.via == via }) { return nil }
            let near = topology.paths.first { $0.edges.contains { $0.to == service } }
            return .addEdge(edge, path: path ?? near?.name ?? "access")
        }
    }

    /// Takes a node out, with all that hangs on it.
    ///
    /// *Throws:* ``ControllerError`` `usage` for a name that is no node's, for the hub, and for the last node; and
    /// where something hangs on it and it is not to go too.
    public static func remove(
        _ name: String, cascades: Bool, in topology: Topology
    ) throws(ControllerError) -> [TopologyEdit] {
        guard topology.node(name) != nil else {
            let near = NearestName.find(name, among: topology.nodes.map(\.name))
            throw ControllerError(
                .usage, "there is no node \(name)",
                hint: near.map { "did you mean \($0)?" } ?? "meshproof peer ls")
        }
        let hanging = topology.dependents(of: name)
        if hanging.isHub {
            throw ControllerError(
                .usage, "\(name) is the mesh's hub: the others reach each other through it",
                hint: "name another hub under `mesh: peering:` first")
        }
        if !cascades && !hanging.isEmpty {
            throw ControllerError(
                .usage, "on \(name) depend: " + lines(hanging).joined(separator: "; "),
                hint: "add --cascade to take them out too")
        }
        return hanging.edges.map {
            .removeEdge(from: $0.edge.from, to: $0.edge.to, path: $0.path)
        } + hanging.forbidden.map { .removeForbidden($0) }
            + hanging.services.map { .removeService($0) } + [.removeNode(name)]
    }

    /// What hangs on a node, a line each.
    public static func lines(_ hanging: NodeDependents) -> [String] {
        hanging.edges.map { "the edge \($0.edge.from) -> \($0.edge.to) (path \($0.path))" }
            + hanging.services.map { "the service \($0)" }
            + hanging.forbidden.map { "the forbidden pair \($0.from) -> \($0.to)" }
    }
}
