/// Does anything rewrite, mark or copy the edge's packets: rules, traffic control, multipath TCP, old translations?
enum RewritingCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        for node in view.watched {
            if let rewriting = view.section(
                \.rewriting, "rewriting", of: node, for: .live, &inspection)
            {
                rules(rewriting, node, view, &inspection)
                copies(rewriting, node, view, &inspection)
            }
            if let tracked = view.section(
                \.tracked, "tracked", of: node, for: .live, &inspection)
            {
                translations(tracked, node, view, &inspection)
            }
        }
        return inspection
    }

    /// - Parameter isClosed: whether it leads past the mesh only, where the guard lets nothing of the overlay out.
    private static func fail(
        _ node: String, _ message: String, isClosed: Bool = false, fix: String,
        _ inspection: inout Inspection
    ) {
        if isClosed {
            inspection.note(
                Finding(
                    .rewritten, .minor, on: node, message + "; the guard keeps it in", fix: fix))
        } else {
            inspection.fail(.live, Finding(.rewritten, .serious, on: node, message, fix: fix))
        }
    }

    private static func isGuarded(_ node: String, _ view: EdgeView) -> Bool {
        view.end(node).map { GuardCheck.holds(on: $0, view) } ?? false
    }

    /// A copy made on the way through IP passes the guard like any packet; one made at a device does not.
    private static func isCopyOfIP(_ rule: RewritingRule) -> Bool {
        let family = rule.place.prefix { $0 != " " }
        return rule.kind == .duplicate && ["ip", "ip6", "inet"].contains(family)
    }

    private static func rules(
        _ rewriting: RewritingFacts, _ node: String, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        let reach = RuleReach(view, node)
        // A mark does nothing by itself; rules that route by marks are RouteCheck's.
        for rule in rewriting.rules where rule.kind != .mark && reach.touches(rule) {
            fail(
                node, "on \(node) a rule in \(rule.place) may touch the edge: \(rule.text)",
                isClosed: isCopyOfIP(rule) && isGuarded(node, view),
                fix: "nft -a list chain \(rule.place)   # on \(node): limit it or take it out",
                &inspection)
        }
    }

    private static func copies(
        _ rewriting: RewritingFacts, _ node: String, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        let devices = view.facts(node)?.capture?.devices ?? []
        for mirror in rewriting.mirrors {
            let name = mirror.split { " :".contains($0) }.first.map(String.init)
            let source = devices.first { $0.name == name }
            // On the underlay there is nothing to copy but what anybody there can see.
            if source?.role == .underlay { continue }
            fail(
                node, "on \(node) traffic control copies or redirects packets: \(mirror)",
                fix: "tc filter show dev \(name ?? "DEVICE")   # on \(node)", &inspection)
        }
        guard view.edge.via == .wireguard else { return }
        let overlay = Set(view.end(node)?.overlay ?? [])
        for endpoint in rewriting.multipathEndpoints {
            let address = endpoint.split(separator: " ").lazy.compactMap { IPAddress(String($0)) }
                .first
            if let address, overlay.contains(address) || address.isLoopback { continue }
            fail(
                node, "on \(node) multipath TCP may open more paths, past the mesh: \(endpoint)",
                isClosed: view.edge.hub == nil
                    && [view.edge.from.node, view.edge.to.node].allSatisfy { isGuarded($0, view) },
                fix: "ip mptcp endpoint flush   # on \(node)", &inspection)
        }
    }

    /// A translation outlives the rule that made it.
    private static func translations(
        _ tracked: [TrackedConnection], _ node: String, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        guard view.edge.via == .wireguard else { return }
        let live = liveEnds(view)
        let reach = HostReach(view.facts(node))
        let (from, to) = (view.edge.from, view.edge.to)
        // A rule does it to every connection; one shows what it does.
        var told: Set<String> = []
        for connection in tracked where connection.isTranslated {
            let source = connection.source.unmapped
            let destination = connection.destination.unmapped
            guard destination.port == view.edge.service.port,
                to.overlay.contains(destination.address),
                live.contains(source) || live.contains(connection.replyDestination.unmapped)
            else { continue }
            let answers = connection.replySource.unmapped.address
            let asked = connection.replyDestination.unmapped.address
            let isHarmless: Bool
            switch node {
            // A container's own address may become the node's; where it goes may not change.
            case from.node:
                isHarmless =
                    to.overlay.contains(answers)
                    && (asked == source.address || from.overlay.contains(asked))
            case to.node: isHarmless = reach.contains(answers)
            default: isHarmless = false
            }
            if isHarmless { continue }
            let way = "\(destination) \(connection.replySource)"
            if !told.insert(way).inserted { continue }
            fail(
                node,
                "on \(node) the connection \(source) → \(destination) is translated: answers come from \(connection.replySource)",
                fix:
                    "conntrack -D -p tcp --dport \(destination.port)   # on \(node), and take out the rule that made it",
                &inspection)
        }
    }

    /// Our ends of the edge's connections: the probes', and those that stand now.
    private static func liveEnds(_ view: EdgeView) -> Set<SocketEndpoint> {
        let targets = Set(view.edge.to.overlay)
        let port = view.edge.service.port
        let flows = view.everybody.flatMap { $0.sockets ?? [] }.flatMap(\.flows)
        return view.probeEnds.union(
            flows.compactMap { flow in
                guard let remote = flow.remote?.unmapped else { return nil }
                if remote.port == port, targets.contains(remote.address) {
                    return flow.local.unmapped
                }
                return flow.local.port == port ? remote : nil
            })
    }
}
