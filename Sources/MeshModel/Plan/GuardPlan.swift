/// The steps that concern the guard.
///
/// It is set before anything else, so that no interface is ever there without it, and goes after all else, so that
/// what is taken down is not open for a moment.
enum GuardPlan {
    static func first(desired: DesiredNode, observed: ObservedNode) -> [PlanStep] {
        guard let wanted = desired.guard else { return [] }
        var reasons = observed.guard?.differences ?? ["there is none"]
        if let problem = observed.guard?.problem { reasons.append(problem) }
        if reasons.isEmpty { return [] }
        return [PlanStep(.setGuard(guard: wanted), reason: list(reasons))]
    }

    static func last(desired: DesiredNode, observed: ObservedNode) -> [PlanStep] {
        guard desired.guard == nil, observed.guard != nil else { return [] }
        return [PlanStep(.removeGuard, reason: "no guard is wanted here any more")]
    }

    private static func list(_ reasons: [String]) -> String {
        let shown = reasons.prefix(6).joined(separator: "; ")
        return reasons.count > 6 ? "\(shown); and \(reasons.count - 6) more" : shown
    }
}
