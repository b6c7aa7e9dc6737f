/// The steps that concern names: after all else, since they are of use only once the mesh stands.
enum NamesPlan {
    static func steps(desired: DesiredNode, observed: ObservedNode) -> [PlanStep] {
        guard let wanted = desired.names else {
            guard observed.names != nil else { return [] }
            return [PlanStep(.removeNames, reason: "no names are wanted here any more")]
        }
        let reasons = observed.names?.differences ?? ["there are none"]
        if reasons.isEmpty { return [] }
        let shown = reasons.prefix(3).joined(separator: "; ")
        let rest = reasons.count > 3 ? "; and \(reasons.count - 3) more" : ""
        return [PlanStep(.setNames(names: wanted), reason: shown + rest)]
    }
}
