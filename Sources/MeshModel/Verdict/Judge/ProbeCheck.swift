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
                    fix: fix(probe, view)))
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

    private static func fix(_ probe: ProbeFact, _ view: EdgeView) -> String {
        let (service, node) = (view.edge.service.name, view.edge.to.node)
        switch probe.outcome {
        // Somebody is there; what is wrong is what the two hold each other to.
        case .refused, .garbled:
            guard view.edge.tls != nil, case .tcp(let place) = probe.order.target else {
                return "what does \(service) say? see its log on \(node)"
            }
            return
                "openssl s_client -connect \(place) </dev/null   # on \(view.edge.from.node): its versions and certificates"
        default: return "does \(service) run on \(node)? meshproof status"
        }
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
