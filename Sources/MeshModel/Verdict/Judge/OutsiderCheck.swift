/// Did those who must stay outside stay there?
enum OutsiderCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let probes = view.allProbes.filter {
            $0.order.edge == view.edge.id && $0.order.purpose == .outsider && isKnock($0)
        }
        // One line for all ways in of a kind that somebody found: what mends one mends them all.
        var ways: [Way: [ProbeFact]] = [:]
        var order: [Way] = []
        for probe in probes where isIn(probe.outcome) {
            let way = self.way(probe, view)
            if ways[way] == nil { order.append(way) }
            ways[way, default: []].append(probe)
        }
        for way in order { inspection.fail(.enforced, broken(way, ways[way] ?? [], view)) }
        let tried = probes.filter { $0.outcome != .failed }.compactMap { target($0) }
        if view.edge.service.port != 0 {
            demand(view.edge.to, view.edge.service.port, tried, view, &inspection)
        }
        for case .tcp(let entrance) in view.edge.tunnel?.entrances.prefix(1) ?? [] {
            demand(view.edge.from, entrance.port, tried, view, &inspection)
        }
        return inspection
    }

    /// A connection that was made is a way in, whatever was said over it.
    static func isIn(_ outcome: ProbeFact.Outcome) -> Bool {
        switch outcome {
        case .answered, .refused, .garbled: true
        case .closed, .silent, .unreachable, .failed: false
        }
    }

    /// Whether it was tried, and led nowhere.
    static func isOut(_ outcome: ProbeFact.Outcome) -> Bool {
        switch outcome {
        case .closed, .silent, .unreachable: true
        case .answered, .refused, .garbled, .failed: false
        }
    }

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

    /// What kind of way in, where, and who found it.
    private struct Way: Hashable {
        var code: FindingCode
        var node: String
        var vantage: String
    }

    private static func way(_ probe: ProbeFact, _ view: EdgeView) -> Way {
        let edge = view.edge
        let place = target(probe)
        let entrances = (edge.tunnel?.entrances ?? []).compactMap { entrance -> UInt16? in
            if case .tcp(let own) = entrance { return own.port }
            return nil
        }
        let isEntrance = place.map { place in
            entrances.contains(place.port)
                && (edge.from.underlay + edge.from.overlay).contains(place.address)
        }
        let isOverlay = place.map { (edge.to.overlay + edge.from.overlay).contains($0.address) }
        let code: FindingCode =
            if isEntrance ?? false { .openEntrance } else if isOverlay ?? false { .weakHost } else {
                .openUnderlay
            }
        return Way(
            code: code, node: isEntrance ?? false ? edge.from.node : edge.to.node,
            vantage: probe.vantage)
    }

    private static func broken(_ way: Way, _ probes: [ProbeFact], _ view: EdgeView) -> Finding {
        let (code, node) = (way.code, way.node)
        let places = probes.map { $0.order.target.description }
        return Finding(
            code, .critical, on: node,
            "\(way.vantage) reached \(places.listed) on \(node), where nobody is let in: \(probes.first?.message ?? "")",
            fix:
                "guard: on   # in the topology, for \(node); then meshproof up"
                + (code == .openUnderlay && view.edge.service.bind == .any ? "; or bind: mesh" : "")
        )
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
