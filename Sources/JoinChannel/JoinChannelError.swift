/// Why a join's connection did not come about, or ended.
public struct JoinChannelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons; tests and messages go by them.
    public enum Code: String, Sendable {
        /// Nobody listens there, or there is no way.
        case unreachable
        /// Nothing came before the deadline.
        case timeout
        /// The other end does not have our key. It does not say why, and cannot tell itself.
        case refused
        /// What answers does not speak TLS 1.3 with a preshared key.
        case garbled
        /// The connection ended in the middle.
        case hungUp
        /// This machine could not do its part.
        case system
    }

    /// Which reason.
    public let code: Code
    /// What happened, for people; never a secret, and no word that the other end chose.
    public let message: String

    /// Describes a failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
