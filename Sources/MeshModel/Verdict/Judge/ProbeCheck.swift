/// Does the edge work: was its own probe answered?
enum ProbeCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        guard view.isProbed else {
            RealTraffic.inspect(view, &inspection)
            return inspection
        }
        let node = view.edge.from.node
        guard view.section(\.probes, "probes", of: node, for: .live, &inspection) != nil else {
            return inspection
        }
        if !view.answered.isEmpty {
            partial(view, &inspection)
            complete(view, &inspection)
            return inspection
        }
        let put = view.ownProbes.filter { $0.outcome != .failed }
        if let probe = put.first {
            inspection.fail(
                .live,
                Finding(
                    .noAnswer, .serious, on: view.edge.to.node,
                    "\(view.edge.service.name) did not answer \(node) at \(put.map { $0.order.target.description }.listed): \(probe.message)",
                    fix:
                        "does \(view.edge.service.name) run on \(view.edge.to.node)? meshproof status"
                ))
        } else {
            let problem = view.ownProbes.first
            inspection.fail(
                .live,
                Finding(
                    .notLookedAt, .serious, on: node,
                    "the edge was not probed from \(node)\(problem.map { ": \($0.message)" } ?? "")",
                    fix: "verify again"))
        }
        return inspection
    }

    /// A service need not listen on every address that clients may be told, but one that swallows what is sent to it is
    /// broken for whoever was told that one.
    private static func partial(_ view: EdgeView, _ inspection: inout Inspection) {
        let lost = view.ownProbes.filter { $0.outcome == .silent || $0.outcome == .unreachable }
        guard let probe = lost.first else { return }
        let node = view.edge.from.node
        inspection.fail(
            .live,
            Finding(
                .noAnswer, .serious, on: view.edge.to.node,
                "\(view.edge.service.name) answered \(node) at \(targets(view.answered)), and not at \(targets(lost)): \(probe.message)",
                fix: "ip route get ADDRESS; nft list ruleset   # on \(node): where do packets stay?"
            ))
    }

    /// Every address that clients may be told has to be tried.
    private static func complete(_ view: EdgeView, _ inspection: inout Inspection) {
        let wanted: [TunnelEnd] =
            switch view.edge.via {
            case .wireguard:
                view.edge.to.overlay.map { .tcp(SocketEndpoint($0, view.edge.service.port)) }
            case .ssh: view.edge.tunnel?.entrances ?? []
            case .tls, .mtls, .local: []
            }
        let tried = view.ownProbes.filter { $0.outcome != .failed }.map(\.order.target)
        let untried = wanted.filter { !tried.contains($0) }
        if untried.isEmpty { return }
        inspection.fail(
            .live,
            Finding(
                .notLookedAt, .serious, on: view.edge.from.node,
                "\(view.edge.from.node) did not try \(untried.map(\.description).listed)",
                fix: "verify again"))
    }

    private static func targets(_ probes: [ProbeFact]) -> String {
        probes.map { $0.order.target.description }.listed
    }
}
