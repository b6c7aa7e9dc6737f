/// Whether a node's facts are of this run, of this node, and of this boot. The signature is checked elsewhere.
public struct FactAdmission: Sendable, Hashable {
    /// How far a node's clock may be off before its facts count as stale. *Units:* seconds.
    public static let tolerance: Double = 300

    /// The node that was asked.
    public var node: String
    /// The mesh's identity.
    public var meshID: String
    /// The run's nonce.
    public var nonce: String
    /// The boot id that the node gave at the run's beginning; nil where it gave none, so that nothing is taken.
    public var bootID: String?
    /// When the run began, by the controller's clock. *Units:* seconds since 1970.
    public var began: Double
    /// When the node had answered, by the controller's clock.
    public var ended: Double

    /// Gathers the parts.
    public init(
        node: String, meshID: String, nonce: String, bootID: String?, began: Double, ended: Double
    ) {
        self.node = node
        self.meshID = meshID
        self.nonce = nonce
        self.bootID = bootID
        self.began = began
        self.ended = ended
    }

    /// Why facts are not to be taken, or nil where they are.
    public func refusal(of facts: NodeFacts) -> MissingFacts? {
        if facts.node != node {
            return refused("they are of \(facts.node)", fix: "who answers for \(node)? ssh \(node)")
        }
        if facts.meshID != meshID {
            return refused("they are of another mesh", fix: "meshproof up")
        }
        if nonce.isEmpty || facts.nonce != nonce {
            return refused("they are of another run", fix: "verify again")
        }
        guard let bootID, !bootID.isEmpty, facts.bootID == bootID else {
            return refused("it was restarted meanwhile", fix: "verify again")
        }
        return clocks(facts)
    }

    /// What is worth knowing of facts that are taken: a clock that is off by more than a second.
    public func notes(on facts: NodeFacts) -> [String] {
        let off = max(began - facts.began.wall, facts.ended.wall - ended)
        guard off > 1 else { return [] }
        return ["the clock of \(node) is off by about \(Int(clamping: off.rounded())) s"]
    }

    private func clocks(_ facts: NodeFacts) -> MissingFacts? {
        let (first, last) = (facts.began, facts.ended)
        let figures = [first.wall, last.wall, first.monotonic, last.monotonic]
        guard figures.allSatisfy(\.isFinite), first.monotonic <= last.monotonic else {
            return refused("their times make no sense", fix: "verify again")
        }
        if first.wall < began - Self.tolerance || last.wall > ended + Self.tolerance
            || last.wall < began - Self.tolerance
        {
            return refused(
                "they are not from the time of this run",
                fix: "is the clock of \(node) right? timedatectl   # on \(node)")
        }
        for probe in facts.probes ?? []
        where !(probe.began.monotonic >= first.monotonic && probe.ended.monotonic <= last.monotonic)
        {
            return refused(
                "they do not cover the probe \(probe.order.id)", fix: "verify again")
        }
        return nil
    }

    private func refused(_ reason: String, fix: String) -> MissingFacts {
        MissingFacts(wereRefused: true, message: "its facts were refused: \(reason)", fix: fix)
    }
}
