/// A failed SSH operation: what was attempted, with whom, why it failed and what to do about it.
///
/// Holds fingerprints, file names and the server's words; never a key or a passphrase.
public struct SSHError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure, for callers that decide on them.
    public enum Code: String, Sendable {
        /// The target, ssh_config or a pinned key is not usable as written.
        case configuration
        /// The host's name has no address.
        case resolve
        /// The host answers, but nothing listens on that port.
        case refused
        /// No way to the host, or it hung up while being reached.
        case unreachable
        /// A deadline passed.
        case timeout
        /// Neither known_hosts nor a pin knows the host's key.
        case unknownHostKey
        /// The host's key is not the one that known_hosts or the pin expects.
        case changedHostKey
        /// known_hosts marks the host's key as revoked.
        case revokedHostKey
        /// The two sides share no algorithm that is good enough.
        case negotiation
        /// The server takes none of our keys.
        case authentication
        /// The connection ended in the middle of something.
        case lost
        /// The server would not start the command.
        case command
        /// A local file could not be read.
        case file
        /// libssh failed in a way it does not explain.
        case library
    }

    /// The kind of failure.
    public let code: Code
    /// What was attempted, for instance `connect` or `run`.
    public let operation: String
    /// The target, as `user@host:port`.
    public let subject: String
    /// What happened, in words: libssh's, the kernel's or ours.
    public let detail: String
    /// The kernel's error number; 0 where the failure is not the kernel's.
    public let errno: Int32
    /// What to do next, if anything can be done.
    public let hint: String?

    /// Describes a failure.
    public init(
        _ code: Code, _ operation: String, _ subject: String, _ detail: String, errno: Int32 = 0,
        hint: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.detail = detail
        self.errno = errno
        self.hint = hint
    }

    /// `operation subject: what happened; what to do`, on one line.
    public var description: String {
        "\(operation) \(subject): \(detail)" + (hint.map { "; \($0)" } ?? "")
    }
}
