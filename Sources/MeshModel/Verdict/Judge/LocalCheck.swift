/// Are both ends of a local edge in one network namespace?
enum LocalCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let edge = view.edge
        let node = edge.to.node
        if !view.isWithinHost {
            inspection.fail(
                .configured,
                Finding(
                    .otherNamespace, .serious, on: node,
                    "\(edge.from.party) is on \(edge.from.node), \(edge.service.name) on \(node)",
                    fix: "make the edge `via: wireguard`"))
        }
        // A unix socket's path leads to the same socket from every network namespace.
        if edge.service.bind.unixPath != nil { return inspection }
        guard
            let sockets = view.section(
                \.sockets, "sockets", of: node, for: .configured, &inspection)
        else { return inspection }
        let port = edge.service.port
        func listens(_ space: NamespaceSockets) -> Bool {
            space.listeners.contains { $0.kind != .udp && $0.local.port == port }
        }
        let own = sockets.filter(\.isOwn)
        if let other = sockets.first(where: { !$0.isOwn && listens($0) }),
            !own.contains(where: listens)
        {
            inspection.fail(.configured, elsewhere(other, view))
        }
        for space in sockets where !space.isOwn {
            let client = space.flows.first {
                $0.remote?.port == port && $0.remote?.unmapped.address.isLoopback == true
            }
            guard let client else { continue }
            inspection.fail(
                .configured,
                Finding(
                    .otherNamespace, .serious, on: node,
                    "\(client.process ?? "a client") connects to \(client.remote?.description ?? "loopback") in network namespace \(space.namespace)\(space.inhabitant.map { " (\($0))" } ?? ""), not in the node's own",
                    fix: "give both the host's network, or a unix socket"))
        }
        return inspection
    }

    private static func elsewhere(_ space: NamespaceSockets, _ view: EdgeView) -> Finding {
        Finding(
            .otherNamespace, .serious, on: view.edge.to.node,
            "\(view.edge.service.name) listens in network namespace \(space.namespace)\(space.inhabitant.map { " (\($0))" } ?? ""), not in the node's own",
            fix: "give both the host's network, or a unix socket")
    }
}
