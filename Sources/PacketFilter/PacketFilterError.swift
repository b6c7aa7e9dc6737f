/// Why the guard could not be looked at or set, and what to do.
public struct PacketFilterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons.
    public enum Code: String, Sendable {
        /// libnftables is not installed.
        case libraryMissing
        /// libnftables lacks something: it is too old, or built without JSON.
        case libraryUnfit
        /// The kernel, or libnftables, said no.
        case refused
        /// libnftables answered with something that cannot be read.
        case unreadable
    }

    /// Which reason.
    public let code: Code
    /// What was attempted.
    public let operation: String
    /// What happened, for people.
    public let message: String
    /// What to do about it.
    public let hint: String

    init(_ code: Code, _ operation: String, _ message: String, hint: String = "") {
        self.code = code
        self.operation = operation
        self.message = message
        self.hint = hint
    }

    static let installHint = "run `apt install nftables` on the node, or say `guard: off` for it"

    /// `operation: message (hint)`, on one line.
    public var description: String {
        "\(operation): \(message)" + (hint.isEmpty ? "" : " (\(hint))")
    }
}
