/// Would the kernel send the edge's packets into the mesh: each family, each user, both directions?
///
/// An answer is a prediction for an unmarked packet; what could make a real one differ is looked for beside it.
enum RouteCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isWithinHost { return inspection }
        // What leads astray comes first, and the kernel's answers follow from it.
        for node in view.watched { surroundings(node, view, &inspection) }
        if view.edge.from.managed {
            answers(view.edge.from, view.edge.to, isReply: false, view, &inspection)
        }
        if view.edge.to.managed {
            answers(view.edge.to, view.edge.from, isReply: true, view, &inspection)
        }
        return inspection
    }

    /// The TCP port that the edge's packets go to.
    private static func port(_ view: EdgeView) -> UInt16 {
        view.edge.tunnel?.server.port ?? view.edge.service.port
    }

    // MARK: the kernel's answers

    private static func answers(
        _ own: EdgeEnd, _ far: EdgeEnd, isReply: Bool, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        guard
            let routing = view.section(
                \.routing, "routing", of: own.node, for: .live, &inspection)
        else { return }
        let ours = routing.answers.filter {
            $0.question.edge == view.edge.id && $0.question.isReply == isReply
        }
        for family in Set(own.overlay.map(\.family)).intersection(far.overlay.map(\.family)).sorted(
            by: { $0.rawValue < $1.rawValue })
        {
            let exact = ours.filter { isExact($0.question, own, far, family, view) }
            // Root is asked for as well; a rule may send one user elsewhere.
            let users = isReply ? [] : Set(view.ownProbes.map { $0.order.user ?? 0 })
            if exact.isEmpty || !users.isSubset(of: exact.map(\.user)) {
                inspection.fail(
                    .live,
                    Finding(
                        .notLookedAt, .serious, on: own.node,
                        "\(own.node) was not asked for its route to \(far.node) over \(family == .ipv4 ? "IPv4" : "IPv6")",
                        fix: "verify again"))
            }
        }
        let sound = LinkCheck.sound(view).flatMap { $0 }.map(\.interface)
        let interfaces = Set(sound.isEmpty ? view.edge.links.map(\.interface) : sound)
        for answer in ours { hold(answer, own.node, to: far.node, interfaces, &inspection) }
    }

    private static func isExact(
        _ question: FlowQuestion, _ own: EdgeEnd, _ far: EdgeEnd, _ family: IPAddress.Family,
        _ view: EdgeView
    ) -> Bool {
        let named = question.isReply ? question.sourcePort : question.destinationPort
        return question.destination.family == family && far.overlay.contains(question.destination)
            && own.overlay.contains(question.source) && named == port(view)
    }

    private static func hold(
        _ answer: FlowAnswer, _ node: String, to far: String, _ interfaces: Set<String>,
        _ inspection: inout Inspection
    ) {
        // Refused is closed, not past the mesh.
        guard answer.isLocal || answer.interface != nil else { return }
        let isOurs =
            answer.interface.map(interfaces.contains) ?? false
            && answer.group == Ownership.linkGroup && !answer.isLocal
        if isOurs { return }
        let question = answer.question
        let ip = question.destination.family == .ipv6 ? "ip -6" : "ip"
        let way =
            answer.isLocal
            ? "stay on \(node) itself"
            : "leave by \(answer.interface ?? "?")"
                + (answer.gateway.map { " via \($0)" } ?? "")
                + ", table \(RouteText.table(answer.table))"
        inspection.fail(
            .live,
            Finding(
                .routeBypass, .serious, on: node,
                "on \(node) packets of user \(answer.user) for \(question.destination)\(question.destinationPort.map { " port \($0)" } ?? "") \(way)",
                fix:
                    "\(ip) rule; \(ip) route show table \(RouteText.table(answer.table))   # on \(node): take out what leads to \(question.destination)"
            ))
    }

    // MARK: what an answer does not tell

    static func surroundings(
        _ node: String, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        guard let routing = view.section(\.routing, "routing", of: node, for: .live, &inspection)
        else { return }
        let targets = targets(of: node, view)
        let marks = isMarked(node, view)
        // Where the guard stands, what goes astray does not get out: the kernel's answers and the probes tell whether
        // the edge's own packets do.
        let isClosed = view.end(node).map { GuardCheck.holds(on: $0, view) } ?? false
        func astray(_ message: String, _ node: String, fix: String) {
            let finding = Finding(
                .routeBypass, isClosed ? .minor : .serious, on: node,
                message + (isClosed ? "; the guard keeps it in" : ""), fix: fix)
            if isClosed { inspection.note(finding) } else { inspection.fail(.live, finding) }
        }
        for stray in routing.strays
        where isOpen(stray, routing.rules, marks: marks) && RouteText(stray).covers(targets) {
            astray(
                "on \(node) a route leads past the mesh: \(stray)", node,
                fix: RouteText(stray).removal(on: node))
        }
        for rule in routing.rules
        where RouteText(rule).isUnforeseen(
            targets: targets, sources: sources(of: node, view),
            marks: marks, isRouter: node == view.edge.hub)
        {
            astray(
                "on \(node) a rule may send some of the edge's packets elsewhere: \(rule)", node,
                fix:
                    "ip rule del pref \(rule.prefix { $0 != ":" })   # on \(node), if it is not yours"
            )
        }
    }

    /// Whether the edge's packets may come to a route: not where its table is for marked packets alone, and nothing marks.
    private static func isOpen(_ stray: String, _ rules: [String], marks: Bool) -> Bool {
        let table = RouteText(stray).table
        let leading = rules.map(RouteText.init).filter { $0.lookup == table }
        return marks || leading.isEmpty || !leading.allSatisfy(\.isByMark)
    }

    /// The overlay addresses that the edge's packets are for when they leave a node.
    private static func targets(of node: String, _ view: EdgeView) -> [IPAddress] {
        switch node {
        case view.edge.from.node: view.edge.to.overlay
        case view.edge.to.node: view.edge.from.overlay
        default: view.edge.to.overlay + view.edge.from.overlay
        }
    }

    private static func sources(of node: String, _ view: EdgeView) -> [IPAddress] {
        view.end(node)?.overlay ?? view.edge.from.overlay + view.edge.to.overlay
    }

    /// Whether anything on the node marks the edge's packets, so that rules by mark concern them.
    private static func isMarked(_ node: String, _ view: EdgeView) -> Bool {
        guard let facts = view.facts(node) else { return true }
        let rules = facts.rewriting?.rules.filter { $0.kind == .mark } ?? []
        if rules.contains(where: { RuleReach(view, node).touches($0) }) { return true }
        return (facts.sockets ?? []).flatMap(\.flows).contains { flow in
            flow.mark != 0
                && (flow.local.port == view.edge.service.port
                    || flow.remote?.port == view.edge.service.port)
        }
    }
}
