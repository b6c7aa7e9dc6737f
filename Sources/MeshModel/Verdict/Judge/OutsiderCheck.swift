/// Did those who must stay outside stay there?
enum OutsiderCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let probes = view.allProbes.filter {
            $0.order.edge == view.edge.id && $0.order.purpose == .outsider && isKnock($0)
        }
        for way in ways(probes.filter(isIn), view) { inspection.fail(.enforced, way.finding(view)) }
        let tried = probes.filter { $0.outcome != .failed }.compactMap { target($0) }
        if view.edge.service.port != 0 {
            demand(view.edge.to, view.edge.service.port, tried, view, &inspection)
        }
        for case .tcp(let entrance) in view.edge.tunnel?.entrances.prefix(1) ?? [] {
            demand(view.edge.from, entrance.port, tried, view, &inspection)
        }
        return inspection
    }

    /// A connection that was made is a way in, whatever was said over it, and also where nothing was.
    static func isIn(_ probe: ProbeFact) -> Bool {
        switch probe.outcome {
        case .answered, .refused, .garbled: return true
        case .closed, .unreachable, .failed: return false
        case .silent:
            // A SYN by hand has its own end whether or not it is answered.
            return probe.order.question != .knock && !probe.localEnds.isEmpty
        }
    }

    /// Whether it was tried, and led nowhere.
    static func isOut(_ probe: ProbeFact) -> Bool { probe.outcome != .failed && !isIn(probe) }

    /// Logins at the tunnel server are RefusalCheck's.
    private static func isKnock(_ probe: ProbeFact) -> Bool {
        switch probe.order.question {
        case .strangerSSH, .tunnelElsewhere: false
        default: true
        }
    }

    private static func target(_ probe: ProbeFact) -> SocketEndpoint? {
        guard case .tcp(let place) = probe.order.target else { return nil }
        return place.unmapped
    }

    /// Everything that let somebody in for one reason.
    private struct Way {
        let code: FindingCode
        let node: String
        var probes: [ProbeFact]

        func finding(_ view: EdgeView) -> Finding {
            var places: [String] = []
            for probe in probes where !places.contains(probe.order.target.description) {
                places.append(probe.order.target.description)
            }
            let who = Set(probes.map(\.vantage)).sorted().listed
            return Finding(
                code, .critical, on: node,
                "\(who) reached \(places.listed) on \(node), where nobody is let in: \(probes.first?.message ?? "")",
                fix:
                    "guard: on   # in the topology, for \(node); then meshproof up"
                    + (code == .openUnderlay && view.edge.service.bind == .any
                        ? "; or bind: mesh" : ""))
        }
    }

    private static func ways(_ probes: [ProbeFact], _ view: EdgeView) -> [Way] {
        var found: [Way] = []
        for probe in probes {
            let (code, node) = kind(probe, view)
            if let place = found.firstIndex(where: { $0.code == code && $0.node == node }) {
                found[place].probes.append(probe)
            } else {
                found.append(Way(code: code, node: node, probes: [probe]))
            }
        }
        return found
    }

    private static func kind(_ probe: ProbeFact, _ view: EdgeView) -> (FindingCode, String) {
        let edge = view.edge
        guard let place = target(probe) else { return (.openUnderlay, edge.to.node) }
        let entrances = (edge.tunnel?.entrances ?? []).compactMap { entrance -> UInt16? in
            if case .tcp(let own) = entrance { return own.port }
            return nil
        }
        if entrances.contains(place.port),
            (edge.from.underlay + edge.from.overlay).contains(place.address)
        {
            return (.openEntrance, edge.from.node)
        }
        let isOverlay = (edge.to.overlay + edge.from.overlay).contains(place.address)
        return (isOverlay ? .weakHost : .openUnderlay, edge.to.node)
    }

    /// Every family that the node has on the underlay has to be tried, and its overlay addresses past all routes.
    private static func demand(
        _ end: EdgeEnd, _ port: UInt16, _ tried: [SocketEndpoint], _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        let underlay = end.underlay.filter { !$0.isLinkLocal }
        let families = Set(underlay.map(\.family))
        var untried: [String] = []
        for family in families.sorted(by: { $0.rawValue < $1.rawValue }) {
            for (name, addresses) in [("underlay", underlay), ("overlay", end.overlay)] {
                let own = addresses.filter { $0.family == family }
                let isTried = own.contains { tried.contains(SocketEndpoint($0, port)) }
                if !own.isEmpty && !isTried {
                    untried.append("\(name) \(family == .ipv4 ? "IPv4" : "IPv6")")
                }
            }
        }
        if families.isEmpty { untried = ["underlay"] }
        if untried.isEmpty { return }
        inspection.fail(
            .enforced,
            Finding(
                .noOutsider, .minor, on: end.node,
                "nobody from outside tried \(end.node) port \(port) (\(untried.listed))",
                fix:
                    "run verify from a machine on \(end.node)'s network, or manage a third node there"
            ))
    }
}
