/// Did anything pass between the edge's machines on the underlay that is not declared?
enum UndeclaredCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isWithinHost { return inspection }
        for sight in sights(view) {
            inspection.fail(
                sight.key.severity <= .serious ? .observed : .enforced, sight.finding(view))
        }
        unknown(view, &inspection)
        return inspection
    }

    /// Flows to one place that are judged alike, whoever's tap saw them.
    private struct Sight {
        struct Key: Hashable {
            var code: FindingCode
            var severity: Finding.Severity
            var from: String
            var to: String
            var destination: SocketEndpoint?
            var etherType: UInt16
        }

        var key: Key
        var first: WireFlow
        var sources: Set<SocketEndpoint?> = []
        var places: [String] = []
        /// The tap that saw the first of them.
        var tap: String

        func finding(_ view: EdgeView) -> Finding {
            let more = sources.count > 1 ? ", and \(sources.count - 1) more like it" : ""
            let ends = "\(text(first.source)) → \(text(first.destination))"
            return Finding(
                key.code, key.severity, on: tap,
                "\(first.summary) between \(key.from) and \(key.to): \(ends)\(more), seen on \(places.listed)",
                fix: fix)
        }

        private func text(_ end: SocketEndpoint?) -> String {
            guard let end else { return "Ethernet type \(first.etherType)" }
            return end.port == 0 ? end.address.description : end.description
        }

        private var fix: String {
            let port = first.destination?.port ?? 0
            if port == 0 { return "find what sends it, on \(first.from)" }
            return
                "ss -anp dport = \(port)   # on \(first.from): who is it? declare it as an edge, or stop it"
        }
    }

    private static func sights(_ view: EdgeView) -> [Sight] {
        var order: [Sight.Key] = []
        var found: [Sight.Key: Sight] = [:]
        for facts in view.everybody {
            // Where one end's tap saw what the other's did not, it is believed: a sender can get past its own.
            for flow in facts.capture?.flows ?? [] {
                guard flow.kind == .undeclared, view.isOurs(flow.from, flow.to),
                    !isOwnAttempt(flow, view), let (code, severity) = weigh(flow, view)
                else { continue }
                let key = Sight.Key(
                    code: code, severity: severity, from: flow.from, to: flow.to,
                    destination: flow.destination, etherType: flow.etherType)
                if found[key] == nil { order.append(key) }
                var sight = found[key] ?? Sight(key: key, first: flow, tap: facts.node)
                sight.sources.insert(flow.source)
                let place = "\(flow.device) of \(facts.node)"
                if !sight.places.contains(place) { sight.places.append(place) }
                found[key] = sight
            }
        }
        return order.compactMap { found[$0] }
    }

    /// How grave a flow is, or nil where it is somebody else's and not in clear.
    private static func weigh(
        _ flow: WireFlow, _ view: EdgeView
    ) -> (FindingCode, Finding.Severity)? {
        let ends = [flow.source, flow.destination].compactMap { $0?.unmapped }
        let overlay = Set(view.edge.from.overlay + view.edge.to.overlay)
        let isMute = flow.payload == 0 && flow.appearance == .empty
        // An attempt that carries nothing tells nothing; it is no less wrong that it left.
        if ends.contains(where: { overlay.contains($0.address) }) {
            return (.overlayOnWire, isMute ? .serious : .critical)
        }
        let ports = Set(ends.map(\.port))
        let isService = view.edge.service.port != 0 && ports.contains(view.edge.service.port)
        let isPassing = ends.contains { !belongs($0.address, flow, view) }
        switch flow.appearance {
        case .empty: return isPassing ? nil : (.undeclaredTraffic, .minor)
        case .tls, .ssh, .wireguard:
            if isService { return (.undeclaredTraffic, .serious) }
            return isPassing ? nil : (.undeclaredTraffic, .minor)
        case .clear: break
        }
        if isService { return (.clearTraffic, .critical) }
        // On its way to another machine, through one of these two.
        if isPassing { return (.undeclaredTraffic, .minor) }
        let meshPorts = view.edge.links.flatMap { [$0.a.port, $0.b.port] }.filter { $0 != 0 }
        if flow.ipProtocol == 17 && !ports.isDisjoint(with: meshPorts) {
            return (.notWireGuard, .critical)
        }
        switch flow.ipProtocol {
        // What it carries cannot be told: other services, DNS, a clock, a long ping. ESP (50) and AH (51) are IPsec's.
        case 6, 17, 1, 58, 50, 51: return (.undeclaredTraffic, .serious)
        // Encapsulations, and protocols that no socket of a service speaks.
        default: return (.clearTraffic, .critical)
        }
    }

    /// Whether an address is one of the two machines', or of a container there.
    private static func belongs(
        _ address: IPAddress, _ flow: WireFlow, _ view: EdgeView
    ) -> Bool {
        [flow.from, flow.to].contains { node in
            if view.end(node)?.underlay.contains(address) ?? false { return true }
            guard let facts = view.facts(node) else { return true }
            return HostReach(facts).contains(address)
        }
    }

    /// Whether a flow is one of the run's own attempts to get in where it may not, or another edge's probe, which is
    /// that edge's to answer for.
    private static func isOwnAttempt(_ flow: WireFlow, _ view: EdgeView) -> Bool {
        view.allProbes.contains { probe in
            let isAttempt = probe.order.purpose != .edge
            guard isAttempt || probe.order.edge != view.edge.id, probe.vantage == flow.from,
                case .tcp(let target) = probe.order.target,
                flow.destination?.unmapped == target.unmapped
            else { return false }
            let isItsOwn = flow.source.map { probe.localEnds.contains($0) } ?? false
            return isItsOwn || (isAttempt && flow.payload == 0)
        }
    }

    /// Connections to where TLS is allowed, of which the beginning was not seen. A client that falls back to clear text
    /// looks just so in the midst of its connection.
    private static func unknown(_ view: EdgeView, _ inspection: inout Inspection) {
        for facts in view.everybody {
            for flow in facts.capture?.flows ?? []
            where flow.kind == .tls && flow.appearance == .clear && flow.payload > 0
                && view.isOurs(flow.from, flow.to)
            {
                let ends = [flow.source, flow.destination].map { $0?.description ?? "?" }
                inspection.fail(
                    .observed,
                    Finding(
                        .notLookedAt, .serious, on: facts.node,
                        "whether the connection \(ends[0]) → \(ends[1]) is TLS is not known: it began before the run",
                        fix:
                            "ss -tnp dport = \(flow.destination?.port ?? 0)   # on \(flow.from): whose is it? restart it, then verify again"
                    ))
            }
        }
    }
}
