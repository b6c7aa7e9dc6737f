/// Does what the transport promises hold: is what must be refused, refused?
enum RefusalCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if let tls = view.edge.tls {
            hold(.plain, view, &inspection)
            if tls.isMutual { hold(.withoutCertificate, view, &inspection) }
        }
        if let tunnel = view.edge.tunnel {
            // Over the mesh the server does not listen on the underlay.
            if tunnel.way == .underlay { hold(.stranger, view, &inspection) }
            hold(.elsewhere, view, &inspection)
        }
        return inspection
    }

    private enum Rule {
        case plain
        case withoutCertificate
        case stranger
        case elsewhere

        func isAsked(by question: ProbeOrder.Question, _ edge: EdgeCase) -> Bool {
            switch (self, question) {
            case (.plain, .postgresPlain): edge.service.wireProtocol == .postgres
            case (.plain, .plainToTLS): edge.service.wireProtocol != .postgres
            case (.withoutCertificate, .tlsWithoutCertificate), (.stranger, .strangerSSH),
                (.elsewhere, .tunnelElsewhere):
                true
            default: false
            }
        }

        var code: FindingCode {
            switch self {
            case .plain: .plainAccepted
            case .withoutCertificate: .clientCertificateOptional
            case .stranger: .strangerAdmitted
            case .elsewhere: .tunnelReachesElsewhere
            }
        }

        func fix(_ edge: EdgeCase) -> String {
            switch self {
            case .plain:
                edge.service.wireProtocol == .postgres
                    ? "in pg_hba.conf make `host` lines `hostssl`, then reload"
                    : "let \(edge.service.name) speak TLS alone on port \(edge.service.port)"
            case .withoutCertificate: "let \(edge.service.name) require a client certificate"
            case .stranger, .elsewhere: "meshproof up   # it makes the tunnel server anew"
            }
        }

        var what: String {
            switch self {
            case .plain: "a connection without TLS"
            case .withoutCertificate: "a client without a certificate"
            case .stranger: "a stranger's SSH login"
            case .elsewhere: "the tunnel's key at another target"
            }
        }
    }

    private static func hold(_ rule: Rule, _ view: EdgeView, _ inspection: inout Inspection) {
        let edge = view.edge
        let probes = view.allProbes.filter {
            $0.order.edge == edge.id && rule.isAsked(by: $0.order.question, edge)
        }
        for probe in probes where probe.outcome == .answered {
            inspection.fail(
                .enforced,
                Finding(
                    rule.code, .critical, on: edge.to.node,
                    "\(edge.to.node) took \(rule.what) at \(probe.order.target): \(probe.message)",
                    fix: rule.fix(edge)))
        }
        if probes.contains(where: { $0.outcome == .refused })
            && probes.allSatisfy({ isSettled($0, rule) })
        {
            return
        }
        let doubtful = probes.first { !isSettled($0, rule) }
        // Without it a mutual TLS edge is only a TLS edge.
        let severity: Finding.Severity = rule == .withoutCertificate ? .serious : .minor
        inspection.fail(
            .enforced,
            Finding(
                .notLookedAt, severity, on: edge.to.node,
                "whether \(edge.to.node) refuses \(rule.what) is not known"
                    + (doubtful.map { ": \($0.message)" } ?? ""), fix: "verify again"))
    }

    /// Whether a probe's outcome is an answer to the question: refused, or nothing there to refuse.
    private static func isSettled(_ probe: ProbeFact, _ rule: Rule) -> Bool {
        switch probe.outcome {
        case .refused, .answered, .closed, .unreachable: true
        case .silent, .garbled, .failed: false
        }
    }
}
