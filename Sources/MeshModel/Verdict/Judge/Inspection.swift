/// What one check found, and the highest level that it leaves.
///
/// A check lowers the level for what is missing as well as for what is wrong, so that no fact that is taken away can
/// raise it.
struct Inspection {
    /// What was found.
    private(set) var findings: [Finding] = []
    /// The highest level that it leaves.
    private(set) var allows = EvidenceLevel.enforced

    /// Notes something that leaves the level as it is.
    mutating func note(_ finding: Finding) { findings.append(finding) }

    /// Notes why a rung is not reached.
    mutating func fail(_ rung: EvidenceLevel, _ finding: Finding) {
        miss(rung)
        findings.append(finding)
    }

    /// A rung is not reached, for a reason that another check gives.
    mutating func miss(_ rung: EvidenceLevel) { allows = min(allows, rung.below) }

    /// Takes in what another check found.
    mutating func add(_ other: Inspection) {
        allows = min(allows, other.allows)
        // Several checks may miss the same section.
        for finding in other.findings where !findings.contains(finding) { findings.append(finding) }
    }
}

extension EvidenceLevel {
    /// The level that is left where this one is not reached.
    var below: EvidenceLevel {
        switch self {
        case .declared, .configured: .declared
        case .live: .configured
        case .observed: .live
        case .enforced: .observed
        }
    }
}
