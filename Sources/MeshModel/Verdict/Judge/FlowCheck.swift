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
            let past = sockets.flatMap(\.flows).filter { flow in
                guard let remote = flow.remote?.unmapped else { return false }
                let local = flow.local.unmapped
                return !own.contains(local) && !own.contains(remote)
                    && isPast(local, remote, end.node, view.edge)
            }
            let standing = past.filter { !$0.isConnecting }
            for flows in byClient(standing, end.node, view.edge) {
                inspection.fail(.live, finding(flows, end.node, view.edge))
            }
            // One end's word is enough, and the client's tells who it is.
            if !standing.isEmpty { break }
            // Asking tells nobody anything; it is the client that goes wrong.
            for flows in byClient(past, end.node, view.edge) where end.node == view.edge.from.node {
                inspection.note(finding(flows, end.node, view.edge))
            }
        }
        return inspection
    }

    /// Those of one program to one place together: a client may open any number.
    private static func byClient(
        _ flows: [SocketFact], _ node: String, _ edge: EdgeCase
    ) -> [[SocketFact]] {
        let groups = Dictionary(grouping: flows) { flow in
            let place = node == edge.from.node ? flow.remote : flow.local
            return
                "\(flow.process.map(program) ?? "of \(flow.user)") \(place?.unmapped.address.family ?? .ipv4)"
        }
        return groups.keys.sorted().compactMap { groups[$0] }
    }

    /// `curl` of `curl (pid 812)`.
    private static func program(_ process: String) -> Substring { process.prefix { $0 != " " } }

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

    private static func finding(
        _ flows: [SocketFact], _ node: String, _ edge: EdgeCase
    ) -> Finding {
        let way: String =
            switch edge.via {
            case .ssh: edge.tunnel?.entrances.first?.description ?? "the tunnel's entrance"
            default:
                edge.to.overlay.first.map { SocketEndpoint($0, edge.service.port).description }
                    ?? "the overlay address"
            }
        let isAttempt = flows.allSatisfy(\.isConnecting)
        let who =
            flows.first.map { $0.process ?? "a process of user \($0.user)" } ?? "somebody"
        let ends = flows.first.map { flow in
            "\(flow.local) \(isAttempt ? "→" : "↔") \(flow.remote?.description ?? "?")"
        }
        let more = flows.count > 1 ? ", and \(flows.count - 1) more" : ""
        return Finding(
            .bypassingFlow, isAttempt ? .minor : .critical, on: node,
            "\(who) on \(node)\(isAttempt ? " tries to go" : ""): \(ends ?? "?")\(more), past the \(edge.via.rawValue) edge\(isAttempt ? ", without an answer" : "")",
            fix: "let \(edge.from.party) connect to \(way)")
    }
}
