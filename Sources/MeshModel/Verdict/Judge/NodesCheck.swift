/// Did every node whose word is needed speak, in this run?
enum NodesCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        for node in view.watched {
            if let facts = view.facts(node) {
                drift(facts, &inspection)
            } else {
                inspection.fail(.configured, silence(of: node, view))
            }
        }
        if view.watched.isEmpty {
            inspection.fail(
                .configured,
                Finding(
                    .nodeSilent, .serious, on: nil,
                    "neither \(view.edge.from.node) nor \(view.edge.to.node) can be asked",
                    fix: "manage one of them: connect: ssh://root@HOST in the topology"))
        }
        return inspection
    }

    private static func silence(of node: String, _ view: EdgeView) -> Finding {
        if view.evidence.facts[node] != nil {
            return Finding(
                .factsRefused, .serious, on: node, "the facts of \(node) are not of this run",
                fix: "verify again; should it stay so, look at who answers for \(node)")
        }
        let missing = view.evidence.missing[node]
        let isRefused = missing?.wereRefused ?? false
        return Finding(
            isRefused ? .factsRefused : .nodeSilent, .serious, on: node,
            "\(node): \(missing?.message ?? "it was not asked")",
            fix: missing?.fix ?? "meshproof status   # is \(node) there?")
    }

    private static func drift(_ facts: NodeFacts, _ inspection: inout Inspection) {
        guard let drift = facts.agent?.drift, !drift.isEmpty else { return }
        inspection.note(
            Finding(
                .drift, .note, on: facts.node,
                "\(facts.node) differs from its document: \(drift.listed)", fix: "meshproof up"))
    }
}
