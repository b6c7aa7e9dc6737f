/// All that one run gathered, as the judge takes it.
public struct Evidence: Codable, Sendable, Equatable {
    /// The run's nonce.
    public var nonce: String
    /// The mesh's identity.
    public var meshID: String
    /// When the run began, by the controller's clock. *Units:* seconds since 1970.
    public var began: Double
    /// How long real traffic was watched without probing, or nil where edges were probed. *Units:* seconds.
    public var passive: Double?
    /// What nodes observed, by node; only facts that were accepted.
    public var facts: [String: NodeFacts]
    /// Why a node's facts are missing, by node.
    public var missing: [String: MissingFacts]
    /// Probes that the controller itself put.
    public var controllerProbes: [ProbeFact]
    /// What is worth knowing of the run itself, for the report: it decides nothing.
    public var notes: [String]

    /// Gathers the parts.
    public init(
        nonce: String, meshID: String, began: Double, passive: Double? = nil,
        facts: [String: NodeFacts], missing: [String: MissingFacts], controllerProbes: [ProbeFact],
        notes: [String] = []
    ) {
        self.nonce = nonce
        self.meshID = meshID
        self.began = began
        self.passive = passive
        self.facts = facts
        self.missing = missing
        self.controllerProbes = controllerProbes
        self.notes = notes
    }
}

/// Why there are no facts of a node.
public struct MissingFacts: Codable, Sendable, Hashable {
    /// Whether facts came and were refused.
    public var wereRefused: Bool
    /// Why.
    public var message: String
    /// What to do about it.
    public var fix: String

    /// Gathers the parts.
    public init(wereRefused: Bool, message: String, fix: String) {
        self.wereRefused = wereRefused
        self.message = message
        self.fix = fix
    }
}
