/// Do connections of the edge's service go past its transport, from one machine's real address to the other's?
enum FlowCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isWithinHost { return inspection }
        // Our own attempts to get in are no client's connections.
        let own = Set(
            view.allProbes.filter { $0.order.purpose != .edge }.flatMap(\.localEnds).map(\.unmapped)
        )
        for end in [view.edge.from, view.edge.to] where end.managed {
            guard
                let sockets = view.section(
                    \.sockets, "sockets", of: end.node, for: .live, &inspection)
            else { continue }
            for flow in sockets.flatMap(\.flows) {
                guard let remote = flow.remote?.unmapped else { continue }
                let local = flow.local.unmapped
                if own.contains(local) || own.contains(remote) { continue }
                if isPast(local, remote, end.node, view.edge) {
                    inspection.fail(.live, finding(flow, end.node, view.edge))
                }
            }
        }
        return inspection
    }

    private static func isPast(
        _ local: SocketEndpoint, _ remote: SocketEndpoint, _ node: String, _ edge: EdgeCase
    ) -> Bool {
        let isClient =
            node == edge.from.node && remote.port == edge.service.port
            && edge.to.underlay.contains(remote.address)
        let isServer =
            node == edge.to.node && local.port == edge.service.port
            && edge.from.underlay.contains(remote.address)
        return edge.service.port != 0 && (isClient || isServer)
    }

    private static func finding(_ flow: SocketFact, _ node: String, _ edge: EdgeCase) -> Finding {
        let way: String =
            switch edge.via {
            case .ssh: edge.tunnel?.entrances.first?.description ?? "the tunnel's entrance"
            default:
                edge.to.overlay.first.map { SocketEndpoint($0, edge.service.port).description }
                    ?? "the overlay address"
            }
        return Finding(
            .bypassingFlow, .critical, on: node,
            "\(flow.process ?? "a process of user \(flow.user)") on \(node): \(flow.local) ↔ \(flow.remote?.description ?? "?"), past the \(edge.via.rawValue) edge",
            fix: "let \(edge.from.party) connect to \(way)")
    }
}
