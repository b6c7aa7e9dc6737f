/// Was the edge's canary seen inside, and nowhere outside?
enum CanaryCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        outside(view, &inspection)
        if view.isProbed { inside(view, &inspection) }
        return inspection
    }

    /// On any machine of the run, not only at the two ends: it may be passed on.
    private static func outside(_ view: EdgeView, _ inspection: inout Inspection) {
        var seen: [(node: String, sighting: CanarySighting)] = []
        for facts in view.everybody {
            for sighting in facts.capture?.canaries ?? []
            where isOurs(sighting.canary, view) && sighting.packets > 0 {
                if facts.isOutside(sighting.device, sighting.role) {
                    seen.append((facts.node, sighting))
                } else if sighting.role == .inner && view.edge.via == .local {
                    // Loopback alone is local: on a bridge other containers can listen in.
                    inspection.fail(
                        .configured,
                        Finding(
                            .otherNamespace, .serious, on: facts.node,
                            "the text sent through \(view.edge.id) passed \(sighting.device) on \(facts.node): what answers for \(view.edge.service.name) is in another network namespace",
                            fix: "give both the host's network, or a unix socket"))
                } else if sighting.role == .inner {
                    inspection.note(
                        Finding(
                            .clearWithinHost, .note, on: facts.node,
                            "what is decrypted on \(facts.node) goes on in clear over \(sighting.device), within the machine",
                            fix: "nothing to do, if you trust \(facts.node)"))
                }
            }
        }
        if let finding = onWire(seen, view) { inspection.fail(.observed, finding) }
    }

    /// Whether it is the edge's canary, or its beginning, cut off at a packet's end.
    private static func isOurs(_ seen: String, _ view: EdgeView) -> Bool {
        seen.utf8.count >= shortest && view.edge.canary.hasPrefix(seen)
    }

    /// As long as nothing but a canary of this run is.
    private static let shortest = 16

    /// All sightings are of one leak.
    private static func onWire(
        _ seen: [(node: String, sighting: CanarySighting)], _ view: EdgeView
    ) -> Finding? {
        guard let (node, sighting) = seen.first else { return nil }
        let way =
            (sighting.source.map { "\($0)" } ?? "?") + " → "
            + (sighting.destination.map { "\($0)" } ?? "?")
        let taps = seen.map { "\($0.sighting.device) of \($0.node)" }
        let places = taps.enumerated().filter { taps.firstIndex(of: $1) == $0 }.map(\.element)
        return Finding(
            .canaryOnWire, .critical, on: node,
            "the text sent through \(view.edge.id) passed \(places.listed) in clear: \(way), \(sighting.summary)",
            fix:
                "see the findings beside this one; or watch it: tcpdump -ni \(sighting.device)\(sighting.destination.map { " host \($0.address)" } ?? "")   # on \(node)"
        )
    }

    private static func inside(_ view: EdgeView, _ inspection: inout Inspection) {
        // What is TLS from end to end shows in clear nowhere.
        guard !view.answered.isEmpty, view.edge.tls == nil else { return }
        guard view.answered.contains(where: { $0.order.canary == view.edge.canary }),
            !view.edge.canary.isEmpty
        else {
            inspection.fail(
                .observed,
                Finding(
                    .canaryUnseen, .minor, on: nil,
                    "what \(view.edge.service.name) speaks has no room for a canary",
                    fix: "nothing to do: the edge is judged without"))
            return
        }
        for end in [view.edge.from, view.edge.to] where end.managed && isVisible(at: end, view) {
            let canaries = view.facts(end.node)?.capture?.canaries ?? []
            guard let facts = view.facts(end.node), facts.capture != nil else { continue }
            let isSeen = canaries.contains {
                $0.canary == view.edge.canary && $0.packets > 0 && $0.role == .inside
                    && !facts.isOutside($0.device, $0.role)
            }
            if isSeen { continue }
            inspection.fail(
                .observed,
                Finding(
                    .canaryUnseen, .serious, on: end.node,
                    "\(end.node) did not see the text sent through \(view.edge.id) inside",
                    fix:
                        "who answered the probe? ss -ltnp sport = \(view.edge.service.port)   # on \(view.edge.to.node)"
                ))
        }
    }

    /// Whether the edge's clear text passes a device at an end; a unix socket has none.
    private static func isVisible(at end: EdgeEnd, _ view: EdgeView) -> Bool {
        switch view.edge.via {
        case .wireguard, .tls, .mtls: return true
        case .local: return view.edge.service.bind.unixPath == nil
        case .ssh:
            let isNear = end.node == view.edge.from.node
            if !isNear { return view.edge.tunnel?.target.unixPath == nil }
            return view.answered.contains { $0.order.target.unixPath == nil }
        }
    }
}
