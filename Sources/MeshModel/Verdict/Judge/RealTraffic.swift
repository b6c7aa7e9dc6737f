/// Where an edge is not probed, the connections that its applications have stand in.
enum RealTraffic {
    static func inspect(_ view: EdgeView, _ inspection: inout Inspection) {
        switch view.edge.via {
        case .wireguard:
            for end in [view.edge.from, view.edge.to] where end.managed {
                connection(at: end.node, view, &inspection)
            }
        case .ssh: tunnel(view, &inspection)
        case .local: within(view, &inspection)
        case .tls, .mtls:
            inspection.fail(
                .live,
                Finding(
                    .notLookedAt, .serious, on: view.edge.from.node,
                    "what TLS negotiates shows only where it is probed",
                    fix: "verify without --passive, from a managed node"))
        }
    }

    /// Whether a connection is one of the edge's own, from overlay address to overlay address.
    private static func isOwn(
        _ source: SocketEndpoint, _ destination: SocketEndpoint, _ edge: EdgeCase
    ) -> Bool {
        destination.port == edge.service.port
            && edge.to.overlay.contains(destination.unmapped.address)
            && edge.from.overlay.contains(source.unmapped.address)
    }

    private static func connection(
        at node: String, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let sockets = view.section(\.sockets, "sockets", of: node, for: .live, &inspection)
        let tracked = view.section(\.tracked, "tracked", of: node, for: .live, &inspection)
        guard let sockets, let tracked else { return }
        let isOpen = sockets.flatMap(\.flows).contains { flow in
            guard let remote = flow.remote else { return false }
            return isOwn(flow.local, remote, view.edge) || isOwn(remote, flow.local, view.edge)
        }
        if !isOpen && !tracked.contains(where: { isOwn($0.source, $0.destination, view.edge) }) {
            idle(node, view, &inspection)
        }
    }

    private static func tunnel(_ view: EdgeView, _ inspection: inout Inspection) {
        let node = view.edge.from.node
        guard let agent = view.section(\.agent, "agent", of: node, for: .live, &inspection) else {
            return
        }
        let tunnel = agent.tunnels.first { $0.tunnel.edge == view.edge.id }
        if tunnel?.connections ?? 0 == 0 { idle(node, view, &inspection) }
    }

    private static func within(_ view: EdgeView, _ inspection: inout Inspection) {
        let node = view.edge.to.node
        guard let sockets = view.section(\.sockets, "sockets", of: node, for: .live, &inspection)
        else { return }
        let isOpen = sockets.filter(\.isOwn).flatMap(\.flows).contains { flow in
            flow.remote?.port == view.edge.service.port
                && flow.remote?.unmapped.address.isLoopback == true
        }
        if !isOpen { idle(node, view, &inspection) }
    }

    private static func idle(
        _ node: String, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let edge = view.edge
        inspection.fail(
            .live,
            Finding(
                .idlePeer, .serious, on: node,
                "\(node) saw no connection of \(edge.from.party) with \(edge.service.name)",
                fix: edge.from.managed
                    ? "use it while it is watched, or verify without --passive"
                    : "use \(edge.service.name) from \(edge.from.node) and verify again, with --passive 60"
            ))
    }
}
