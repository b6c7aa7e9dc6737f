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
        for service in services {
            let edge = Edge(from: node.name, to: service, via: via)
            if topology.edges.contains(where: { $0.id == edge.id && $0.via == via }) { continue }
            let near = topology.paths.first { $0.edges.contains { $0.to == service } }
            edits.append(.addEdge(edge, path: path ?? near?.name ?? "access"))
        }
        return edits
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
