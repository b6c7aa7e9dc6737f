extension Judge {
    /// What is concluded of one `forbid` line, from the probes that were put for it.
    ///
    /// A connection that was made breaks it, whatever the service said over it. It holds only where every address that was
    /// to be tried was tried, by somebody whose word is of this run.
    ///
    /// - Parameter node: the node whose guard lets nothing of the kind in, where nobody can try; nil where there is none.
    public static func judge(
        forbid id: String, probes: [ProbeFact], guardedAt node: String? = nil, evidence: Evidence,
        now: Double
    ) -> ForbidVerdict {
        var tried: [ProbeFact] = []
        let gathered =
            evidence.facts.keys.sorted().flatMap { evidence.facts[$0]?.probes ?? [] }
            + evidence.controllerProbes
        for probe in probes + gathered where probe.order.forbid == id && !tried.contains(probe) {
            tried.append(probe)
        }
        let broken = tried.filter { OutsiderCheck.isIn($0) }
        if !broken.isEmpty {
            return ForbidVerdict(
                id: id, state: .broken,
                findings: broken.map { probe in
                    Finding(
                        .forbiddenReachable, .critical, on: probe.vantage,
                        "\(probe.vantage) reached \(probe.order.target): \(probe.message)",
                        fix:
                            "guard: on   # in the topology, on the target's node; then meshproof up"
                    )
                })
        }
        if tried.isEmpty, let node, let found = evidence.facts[node]?.agent?.guard,
            found.problem == nil, found.differences.isEmpty
        {
            return ForbidVerdict(id: id, state: .guarded, findings: [])
        }
        let failed = tried.filter { !OutsiderCheck.isOut($0) }
        if tried.isEmpty || !failed.isEmpty {
            let gaps = failed.map { "\($0.order.target): \($0.message)" }
            return ForbidVerdict(
                id: id, state: .untested,
                findings: [
                    Finding(
                        .notLookedAt, .minor, on: nil,
                        "\(id) could not be tried\(gaps.isEmpty ? "" : ": \(gaps.listed)")",
                        fix: "manage the node that it begins on, or try it there by hand")
                ])
        }
        return ForbidVerdict(id: id, state: .holds, findings: [])
    }
}
