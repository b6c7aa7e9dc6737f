import LinuxSystem
import Netlink

/// A WireGuard device that could not be made, read, changed or removed. It never holds a key.
public struct WireGuardError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure that a caller tells apart.
    public enum Code: Sendable, Equatable {
        /// No implementation of the wanted kind is here.
        case unavailable
        /// There is no such device.
        case missing
        /// The name belongs to something that is not ours.
        case nameTaken
        /// No interface can have such a name.
        case badName
        /// We lack the privilege.
        case denied
        /// The implementation refused.
        case refused
        /// The reply makes no sense.
        case malformed
        /// No answer came in time.
        case timeout
        /// One peer's settings, or a key, have an impossible size.
        case badConfiguration
        /// A socket, file or process failed.
        case system
    }

    /// The kind of failure.
    public let code: Code
    /// What was attempted, in words.
    public let operation: String
    /// The interface.
    public let subject: String
    /// The errno value, 0 where there is none.
    public let errno: Int32
    /// What else is known: the kernel's words, or a program's.
    public let text: String?
    /// What to do about it, where that is known.
    public let hint: String?

    /// Gathers the parts.
    public init(
        _ code: Code, _ operation: String, _ subject: String, errno: Int32 = 0, text: String? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.errno = errno
        self.text = text
        self.hint = hint
    }

    /// All of it on one line.
    public var description: String {
        var reasons: [String] = []
        if errno != 0 { reasons.append(SystemError.text(errno)) }
        if let text { reasons.append(text) }
        if reasons.isEmpty { reasons.append("\(code)") }
        return "\(operation) \(subject): \(reasons.joined(separator: ", "))"
            + (hint.map { "; fix: \($0)" } ?? "")
    }

    init(_ error: NetlinkError, _ subject: String) {
        let code: Code =
            switch error.code {
            case .denied: .denied
            case .missing: .missing
            case .exists: .nameTaken
            case .unsupported: .unavailable
            case .refused: .refused
            case .malformed, .truncated: .malformed
            case .timeout, .interrupted: .timeout
            case .tooLarge: .badConfiguration
            case .socket: .system
            }
        self.init(
            code, error.operation, subject, errno: error.errno, text: error.text, hint: error.hint)
    }

    init(_ error: SystemError, _ subject: String) {
        self.init(.system, error.operation, subject, errno: error.errno, text: error.detail)
    }
}

/// Runs netlink calls, and turns their failures into ours.
func translating<Result>(
    _ subject: String, _ body: () throws(NetlinkError) -> Result
) throws(WireGuardError) -> Result {
    do throws(NetlinkError) { return try body() } catch { throw WireGuardError(error, subject) }
}
