/// Does the edge work: was its own probe answered?
enum ProbeCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        guard view.isProbed else {
            RealTraffic.inspect(view, &inspection)
            return inspection
        }
        let node = view.edge.from.node
        guard view.section(\.probes, "probes", of: node, for: .live, &inspection) != nil,
            view.answered.isEmpty
        else { return inspection }
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
}
