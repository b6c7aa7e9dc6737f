import Glibc
import LinuxSystem

/// A netlink request that failed: what was asked, of what, and what the kernel said.
public struct NetlinkError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure that a caller tells apart.
    public enum Code: Sendable, Equatable {
        /// We lack the privilege (CAP_NET_ADMIN).
        case denied
        /// What was asked for is not there.
        case missing
        /// What was to be made is there already.
        case exists
        /// The kernel cannot do this.
        case unsupported
        /// The kernel refused for another reason; see ``NetlinkError/errno``.
        case refused
        /// The kernel's bytes make no sense to us.
        case malformed
        /// A reply is larger than any buffer we are willing to make.
        case truncated
        /// The table changed each time it was read.
        case interrupted
        /// No answer came in time.
        case timeout
        /// The request does not fit in a message.
        case tooLarge
        /// The socket itself failed.
        case socket
    }

    /// The kind of failure.
    public let code: Code
    /// What was attempted, in words.
    public let operation: String
    /// What it was done to; never a secret.
    public let subject: String
    /// The kernel's errno value, 0 where the failure is not the kernel's.
    public let errno: Int32
    /// The kernel's own words (extended acknowledgement), or ours about its bytes.
    public let text: String?
    /// Where in the request the fault lies, in bytes from its start.
    public let offset: UInt32?

    /// Gathers the parts.
    public init(
        _ code: Code, _ operation: String, _ subject: String, errno: Int32 = 0, text: String? = nil,
        offset: UInt32? = nil
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.errno = errno
        self.text = text
        self.offset = offset
    }

    /// What to do about it, where that is known.
    public var hint: String? {
        switch code {
        case .denied: "run as root (CAP_NET_ADMIN)"
        case .unsupported: "this kernel lacks the feature, or its module is not installed"
        case .interrupted: "something else keeps changing the table; try again"
        default: nil
        }
    }

    /// All of it on one line.
    public var description: String {
        var reasons: [String] = []
        if errno != 0 { reasons.append(SystemError.text(errno)) }
        if let text { reasons.append(text) }
        if let offset, offset > 0 { reasons.append("at byte \(offset) of the request") }
        if reasons.isEmpty { reasons.append("\(code)") }
        let place = subject.isEmpty ? operation : "\(operation) \(subject)"
        return "\(place): \(reasons.joined(separator: ", "))" + (hint.map { "; fix: \($0)" } ?? "")
    }

    static func malformed(_ operation: String, _ subject: String, _ reason: String) -> NetlinkError
    {
        NetlinkError(
            .malformed, operation, subject, text: "the kernel's reply makes no sense: \(reason)")
    }

    init(_ operation: String, _ subject: String, answer: NetlinkAnswer) {
        let code: Code =
            switch answer.errno {
            case EPERM, EACCES: .denied
            case ENODEV, ENOENT, ESRCH, ENXIO, EADDRNOTAVAIL: .missing
            case EEXIST: .exists
            case EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT: .unsupported
            default: .refused
            }
        var text = answer.text
        if let type = answer.missingType, text == nil { text = "attribute \(type) is missing" }
        self.init(
            code, operation, subject, errno: answer.errno, text: text, offset: answer.offset)
    }
}
