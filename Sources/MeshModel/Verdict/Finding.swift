/// A judged problem.
public struct Finding: Codable, Sendable, Equatable {
    /// How grave it is.
    public enum Severity: String, Codable, Sendable, Hashable, CaseIterable, Comparable {
        /// Clear text was seen, or a clear way in is open.
        case critical
        /// The edge does not work, or cannot be called encrypted.
        case serious
        /// The evidence does not go as far as it could.
        case minor
        /// Worth knowing, and nothing is wrong.
        case note

        /// The gravest first.
        public static func < (left: Severity, right: Severity) -> Bool {
            left.rank < right.rank
        }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// What it is, as documented; never changes its meaning.
    public var code: FindingCode
    /// How grave it is.
    public var severity: Severity
    /// The node that it was found on, or nil.
    public var node: String?
    /// What was found, and where.
    public var message: String
    /// Why it matters.
    public var why: String
    /// What to do about it.
    public var fix: String
    /// What follows from it, and will be gone with it.
    public var consequences: [Finding]

    /// Gathers the parts.
    public init(
        code: FindingCode, severity: Severity, node: String?, message: String, why: String,
        fix: String, consequences: [Finding] = []
    ) {
        self.code = code
        self.severity = severity
        self.node = node
        self.message = message
        self.why = why
        self.fix = fix
        self.consequences = consequences
    }
}
