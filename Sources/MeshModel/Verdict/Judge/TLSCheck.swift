/// What did TLS negotiate, and whom did it show?
enum TLSCheck {
    /// *Units:* seconds: two weeks, time enough to renew by hand.
    static let warning: Double = 14 * 86400

    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        guard let demand = view.edge.tls else {
            inspection.fail(
                .live,
                Finding(
                    .notLookedAt, .serious, on: view.edge.from.node,
                    "what TLS is held to is not known", fix: "meshproof check"))
            return inspection
        }
        for probe in view.answered {
            guard let tls = probe.tls else {
                inspection.fail(
                    .live,
                    Finding(
                        .weakTLS, .serious, on: view.edge.to.node,
                        "\(probe.order.target) answered without TLS",
                        fix: "turn TLS on in \(view.edge.service.name)"))
                continue
            }
            strength(tls, demand, view, &inspection)
            certificate(tls, demand, view, &inspection)
        }
        return inspection
    }

    private static func strength(
        _ tls: TLSFacts, _ demand: TLSCase, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let least = max(rank(demand.minimum) ?? .max, 2)
        let isNew = rank(tls.version).map { $0 >= least } ?? false
        if isNew && isStrong(tls.cipher) { return }
        inspection.fail(
            .live,
            Finding(
                .weakTLS, .serious, on: view.edge.to.node,
                "\(view.edge.service.name) negotiated \(tls.version) with \(tls.cipher), and \(demand.minimum) is wanted",
                fix: "raise the lowest version in \(view.edge.service.name)'s configuration"))
    }

    /// 2 for TLS 1.2, 3 for TLS 1.3; OpenSSL writes a `v`, the topology does not.
    private static func rank(_ version: String) -> Int? {
        switch version {
        case "TLSv1.3", "TLS1.3": 3
        case "TLSv1.2", "TLS1.2": 2
        default: nil
        }
    }

    /// A list of what is good: an authenticated key exchange, and AES or ChaCha20.
    private static func isStrong(_ cipher: String) -> Bool {
        let isNamed = ["TLS_", "ECDHE-", "DHE-"].contains { cipher.hasPrefix($0) }
        let parts = cipher.split { "-_".contains($0) }
        let isGood = parts.contains { $0.hasPrefix("AES") || $0.hasPrefix("CHACHA20") }
        return isNamed && isGood && !parts.contains("NULL")
    }

    private static func certificate(
        _ tls: TLSFacts, _ demand: TLSCase, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let node = view.edge.to.node
        if !tls.isTrusted || tls.expires <= view.now {
            let why = tls.trustProblem.isEmpty ? "it has ended" : tls.trustProblem
            inspection.fail(
                .live,
                Finding(
                    .untrustedCertificate, .serious, on: node,
                    "the certificate of \(tls.subject) is not to be trusted for \(demand.name): \(why)",
                    fix:
                        "have it issued for \(demand.name) by an authority in \(demand.authorities ?? "the system's store")"
                ))
        } else if tls.expires - view.now < warning {
            inspection.note(
                Finding(
                    .certificateEndsSoon, .minor, on: node,
                    "the certificate of \(tls.subject) ends in \(Int(clamping: (tls.expires - view.now) / 86400)) days",
                    fix: "renew it"))
        }
    }
}
