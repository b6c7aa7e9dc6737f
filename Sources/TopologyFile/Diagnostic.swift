/// One mistake in a topology, where it is, and what to do about it.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    /// How bad it is.
    public enum Severity: String, Sendable, Hashable, Codable {
        /// There is no topology until this is fixed.
        case error
        /// It works, and it is probably not what was meant.
        case warning
    }

    /// The file as the caller named it.
    public let file: String
    /// *Units:* lines from 1.
    public let line: Int
    /// *Units:* characters (Unicode scalars) from 1.
    public let column: Int
    /// How bad it is.
    public let severity: Severity
    /// What is wrong.
    public let message: String
    /// What to do, where that is known.
    public let fix: String?

    /// Gathers the parts.
    public init(
        file: String, line: Int, column: Int, severity: Severity, message: String, fix: String?
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.severity = severity
        self.message = message
        self.fix = fix
    }

    /// `file:line:column: error: what; fix: how`, on one line.
    public var description: String {
        let place = "\(file):\(line):\(column): \(severity.rawValue): \(message)"
        return fix.map { "\(place); fix: \($0)" } ?? place
    }
}
