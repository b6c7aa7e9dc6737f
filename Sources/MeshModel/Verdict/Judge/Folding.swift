/// Puts what follows from a known cause beneath it, so that a person sees what to mend.
enum Folding {
    /// The causes, the deepest first, and what each may bring about.
    private static let causes: [(FindingCode, Set<FindingCode>)] = [
        (.nodeSilent, session.union(silence)),
        (.factsRefused, session.union(silence)),
        (
            .interfaceDown,
            session.union([.interfaceDown, .keyMismatch, .routeBypass, .drift, .overlayOnWire])
        ),
        (.notWireGuardDevice, session.union([.keyMismatch, .routeBypass, .canaryUnseen])),
        (.prefixStolen, session),
        (.keyMismatch, session.union([.keyMismatch])),
        (.idlePeer, session.subtracting([.idlePeer])),
        (.staleHandshake, session.subtracting([.staleHandshake])),
        (
            .routeBypass,
            [
                .routeBypass, .overlayOnWire, .noAnswer, .countersStill, .controlUnseen,
                .canaryUnseen,
            ]
        ),
        (.rewritten, [.rewritten, .noAnswer, .countersStill, .controlUnseen, .canaryUnseen]),
        (.bypassingFlow, [.undeclaredTraffic]),
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

    /// What tells of the same thing on one node goes under the first of its kind.
    private static let alike: Set<FindingCode> = [
        .interfaceDown, .keyMismatch, .routeBypass, .rewritten,
    ]

    /// Folds, and sorts by how grave they are. What is critical is never folded away.
    static func fold(_ findings: [Finding]) -> [Finding] {
        var rest = findings
        for (code, effects) in causes {
            var start = 0
            while let place = rest[start...].firstIndex(where: { isCause($0, code) }) {
                let head = rest.remove(at: place)
                var cause = head
                let following = { (finding: Finding) in
                    effects.contains(finding.code) && isEffect(finding, of: head)
                }
                let consequences = rest.filter(following)
                let before = rest[..<place].filter { !following($0) }
                let after = rest[place...].filter { !following($0) }
                cause.consequences += consequences
                rest = before + [cause] + after
                start = before.count + 1
            }
        }
        return rest.enumerated().sorted { left, right in
            (left.element.severity, left.offset) < (right.element.severity, right.offset)
        }.map(\.element)
    }

    private static func isCause(_ finding: Finding, _ code: FindingCode) -> Bool {
        // An attempt to go past an edge is the cause of its own packets, though it is nothing grave.
        finding.code == code && (finding.severity <= .serious || code == .bypassingFlow)
    }

    private static func isEffect(_ finding: Finding, of cause: Finding) -> Bool {
        if finding.severity == .critical { return false }
        if finding.code == cause.code && alike.contains(cause.code) {
            return finding.node == cause.node
        }
        // A gap elsewhere has its own reason, and so has traffic that is more than attempts.
        switch finding.code {
        case .notLookedAt: return finding.node == cause.node || finding.node == nil
        case .undeclaredTraffic: return finding.severity == .note && finding.node == cause.node
        default: return true
        }
    }
}
