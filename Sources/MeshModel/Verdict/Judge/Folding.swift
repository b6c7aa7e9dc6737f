/// Puts what follows from a known cause beneath it, so that a person sees what to mend.
enum Folding {
    /// The causes, the deepest first, and what each may bring about.
    private static let causes: [(FindingCode, Set<FindingCode>)] = [
        (.nodeSilent, session.union(silence)),
        (.factsRefused, session.union(silence)),
        (.interfaceDown, session.union([.keyMismatch, .routeBypass, .drift, .overlayOnWire])),
        (.notWireGuardDevice, session.union([.keyMismatch, .routeBypass, .canaryUnseen])),
        (.prefixStolen, session),
        (.keyMismatch, session),
        (.idlePeer, session.subtracting([.idlePeer])),
        (.staleHandshake, session.subtracting([.staleHandshake])),
        (.routeBypass, [.noAnswer, .countersStill, .controlUnseen, .canaryUnseen]),
        (.tunnelDown, [.noAnswer, .canaryUnseen, .controlUnseen, .countersStill, .notLookedAt]),
        (.otherNamespace, [.noAnswer, .canaryUnseen, .notListening]),
        (.notListening, [.noAnswer, .canaryUnseen, .countersStill]),
        (.noAnswer, [.canaryUnseen, .countersStill]),
    ]

    private static let session: Set<FindingCode> = [
        .staleHandshake, .countersStill, .noAnswer, .canaryUnseen, .controlUnseen, .tunnelDown,
        .idlePeer,
    ]
    private static let silence: Set<FindingCode> = [.notLookedAt, .noOutsider]

    /// Folds, and sorts by how grave they are. What is critical is never folded away.
    static func fold(_ findings: [Finding]) -> [Finding] {
        var rest = findings
        for (code, effects) in causes {
            guard let place = rest.firstIndex(where: { $0.code == code && $0.severity <= .serious })
            else { continue }
            var cause = rest.remove(at: place)
            let isEffect = { (finding: Finding) in
                finding.severity > .critical && effects.contains(finding.code)
                    // A gap elsewhere has its own reason.
                    && (finding.code != .notLookedAt || finding.node == cause.node
                        || finding.node == nil)
            }
            cause.consequences += rest.filter(isEffect)
            rest.removeAll(where: isEffect)
            rest.insert(cause, at: min(place, rest.count))
        }
        return rest.enumerated().sorted { left, right in
            (left.element.severity, left.offset) < (right.element.severity, right.offset)
        }.map(\.element)
    }
}
