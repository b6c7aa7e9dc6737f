/// A key pair that could not be made or read. Holds a path and a reason, never a key.
public struct SSHKeyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was attempted.
    public let operation: String
    /// The file; empty where there is none yet.
    public let subject: String
    /// What happened.
    public let detail: String

    init(_ operation: String, _ subject: String, _ detail: String) {
        self.operation = operation
        self.subject = subject
        self.detail = detail
    }

    /// `operation subject: what happened`, on one line.
    public var description: String {
        "\(operation)\(subject.isEmpty ? "" : " ")\(subject): \(detail)"
    }
}
