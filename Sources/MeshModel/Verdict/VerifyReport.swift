/// What one run of `verify` concludes. The JSON of `verify --json` and of a receipt's predicate.
public struct VerifyReport: Codable, Sendable, Equatable {
    /// The version of this format; fields are only ever added.
    public var format: Int
    /// The run's nonce.
    public var run: String
    /// The mesh's name.
    public var mesh: String
    /// The mesh's identity.
    public var meshID: String
    /// When it began. *Units:* seconds since 1970.
    public var began: Double
    /// How long it took. *Units:* seconds.
    public var seconds: Double
    /// How long real traffic was watched without probing, or nil. *Units:* seconds.
    public var passive: Double?
    /// What was verified.
    public var topology: TopologyReference
    /// The nodes that were asked, in the topology's order.
    public var nodes: [NodeWitness]
    /// Every edge that was asked for, in the topology's order.
    public var edges: [EdgeVerdict]
    /// Every `forbid` line.
    public var forbidden: [ForbidVerdict]
    /// The level that was asked for.
    public var required: EvidenceLevel
    /// The receipt's number in the log, or nil where none was made.
    public var receipt: Int?
    /// The paths and edges that were asked for, or nil for all of the topology.
    public var selection: [String]?
    /// What is worth knowing of the run itself and belongs to no edge, or nil where there is nothing.
    public var notes: [String]?

    /// The format that this version writes.
    public static let currentFormat = 1

    /// Whether every edge is encrypted at the level asked for, and every `forbid` line that was tried holds.
    public var isProven: Bool {
        edges.allSatisfy { $0.verdict == .encrypted && $0.level >= required }
            && forbidden.allSatisfy { $0.state != .broken }
    }

    /// Gathers the parts.
    public init(
        format: Int, run: String, mesh: String, meshID: String, began: Double, seconds: Double,
        passive: Double?, topology: TopologyReference, nodes: [NodeWitness], edges: [EdgeVerdict],
        forbidden: [ForbidVerdict], required: EvidenceLevel, receipt: Int?,
        selection: [String]? = nil, notes: [String]? = nil
    ) {
        self.format = format
        self.run = run
        self.mesh = mesh
        self.meshID = meshID
        self.began = began
        self.seconds = seconds
        self.passive = passive
        self.topology = topology
        self.nodes = nodes
        self.edges = edges
        self.forbidden = forbidden
        self.required = required
        self.receipt = receipt
        self.selection = selection
        self.notes = notes
    }
}

/// Which topology was verified.
public struct TopologyReference: Codable, Sendable, Hashable {
    /// The file, as it was named.
    public var file: String
    /// SHA-256 of its bytes, in hexadecimal.
    public var digest: String

    /// Gathers the parts.
    public init(file: String, digest: String) {
        self.file = file
        self.digest = digest
    }
}

/// A node that was asked during a run.
public struct NodeWitness: Codable, Sendable, Hashable {
    /// The node.
    public var node: String
    /// The kernel's boot id, or nil where it did not answer.
    public var bootID: String?
    /// SHA-256 of its facts as they were signed, in hexadecimal; nil where it did not answer.
    public var facts: String?
    /// Why not, where it did not answer.
    public var problem: String?

    /// Gathers the parts.
    public init(node: String, bootID: String?, facts: String?, problem: String?) {
        self.node = node
        self.bootID = bootID
        self.facts = facts
        self.problem = problem
    }
}
