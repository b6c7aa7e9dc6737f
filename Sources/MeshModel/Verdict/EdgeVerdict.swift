/// What is concluded of an edge, best last.
public enum Verdict: String, Codable, Sendable, Hashable, CaseIterable, Comparable {
    /// Clear text was seen, or a clear way in is open.
    case exposed
    /// It does not work, and nothing in clear was seen.
    case down
    /// There is not enough evidence: the default.
    case unproven
    /// All that was looked at says that it is encrypted, as far as ``EvidenceLevel`` says.
    case encrypted

    /// By how good it is.
    public static func < (left: Verdict, right: Verdict) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .exposed: 0
        case .down: 1
        case .unproven: 2
        case .encrypted: 3
        }
    }
}

/// How far the evidence for an edge goes, the least first.
public enum EvidenceLevel: String, Codable, Sendable, Hashable, CaseIterable, Comparable {
    /// The topology says so.
    case declared
    /// Both ends are set up so: devices, keys, addresses, listeners.
    case configured
    /// Packets go that way now: routes, handshakes, counters, sockets.
    case live
    /// The wire was watched at both ends meanwhile, and showed nothing else.
    case observed
    /// Those who must not get in were tried, and did not.
    case enforced

    /// By how far it goes.
    public static func < (left: EvidenceLevel, right: EvidenceLevel) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int {
        switch self {
        case .declared: 0
        case .configured: 1
        case .live: 2
        case .observed: 3
        case .enforced: 4
        }
    }
}

/// What is concluded of one edge, and why.
public struct EdgeVerdict: Codable, Sendable, Equatable {
    /// `webui->ollama`.
    public var id: String
    /// The paths that it is part of.
    public var paths: [String]
    /// What they carry.
    public var carries: [String]
    /// How it is to be carried.
    public var via: Transport
    /// What is concluded.
    public var verdict: Verdict
    /// How far the evidence goes.
    public var level: EvidenceLevel
    /// What is wrong or worth knowing, the gravest first.
    public var findings: [Finding]
    /// The nodes on whose word it rests. An end that runs no agent has none: then one end's word stands alone.
    public var witnesses: [String]
    /// What carried it: keys' fingerprints, algorithms, certificates, a line each, for people and receipts.
    public var carriers: [String]

    /// Gathers the parts.
    public init(
        id: String, paths: [String], carries: [String], via: Transport, verdict: Verdict,
        level: EvidenceLevel, findings: [Finding], witnesses: [String] = [],
        carriers: [String]
    ) {
        self.id = id
        self.paths = paths
        self.carries = carries
        self.via = via
        self.verdict = verdict
        self.level = level
        self.findings = findings
        self.witnesses = witnesses
        self.carriers = carriers
    }
}

/// What is concluded of one `forbid` line.
public struct ForbidVerdict: Codable, Sendable, Equatable {
    /// Whether it holds.
    public enum State: String, Codable, Sendable, Hashable, CaseIterable {
        /// It was tried, and refused.
        case holds
        /// Somebody got through.
        case broken
        /// It could not be tried, because its first node runs no agent; the guard of the other node is as it should be, and
        /// lets nothing of the kind in.
        case guarded
        /// It could not be tried.
        case untested
    }

    /// `phone->postgres`.
    public var id: String
    /// Whether it holds.
    public var state: State
    /// Why, and what to do.
    public var findings: [Finding]

    /// Gathers the parts.
    public init(id: String, state: State, findings: [Finding]) {
        self.id = id
        self.state = state
        self.findings = findings
    }
}
