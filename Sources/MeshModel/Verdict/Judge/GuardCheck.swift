/// Does the guard stand where it is wanted?
enum GuardCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        var ends = [view.edge.to]
        // The near end of a tunnel is a way in as well.
        if view.edge.via == .ssh { ends.append(view.edge.from) }
        for end in ends where end.managed { hold(end, view, &inspection) }
        return inspection
    }

    /// Whether the node's guard is wanted, there, and as it should be.
    static func holds(on end: EdgeEnd, _ view: EdgeView) -> Bool {
        guard end.guarded, let observed = view.facts(end.node)?.agent?.guard else { return false }
        return observed.differences.isEmpty && observed.problem == nil
    }

    private static func hold(_ end: EdgeEnd, _ view: EdgeView, _ inspection: inout Inspection) {
        guard end.guarded else {
            inspection.note(
                Finding(
                    .guardOff, .note, on: end.node, "the guard of \(end.node) is off",
                    fix: "guard: on   # in the topology; then meshproof up"))
            return
        }
        guard let facts = view.facts(end.node) else {
            inspection.miss(.enforced)
            return
        }
        guard let agent = facts.agent else {
            let failure = facts.failures.first { $0.section == "agent" }
            inspection.fail(
                .enforced,
                Finding(
                    .notLookedAt, .minor, on: end.node,
                    "the agent of \(end.node) was not asked\(failure.map { ": \($0.message)" } ?? "")",
                    fix: failure?.fix ?? "meshproof status"))
            return
        }
        if holds(on: end, view) { return }
        let observed = agent.guard
        let what = observed.map { $0.problem ?? $0.differences.listed } ?? "it is not there"
        inspection.fail(
            .enforced,
            Finding(
                .guardOff, .minor, on: end.node,
                "the guard of \(end.node) is not as it should be: \(what)", fix: "meshproof up"))
    }
}
