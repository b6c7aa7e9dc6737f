/// What went wrong on the controller or between it and a node, with what to do about it.
public struct ControllerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the kinds of failure; tests and exit codes go by them.
    public enum Code: String, Sendable, Codable {
        /// The node could not be reached at all.
        case unreachable
        /// The node's SSH host key is unknown or has changed.
        case hostKey
        /// The node refused our login, or root's rights there.
        case authentication
        /// Something took longer than it may.
        case timeout
        /// Putting the program on the node failed.
        case install
        /// The node would not enroll, or has another controller.
        case enroll
        /// The agent answered with a refusal, or not in our protocol.
        case agent
        /// The conversation with the agent ended before its answer.
        case hungUp
        /// Applying the document failed on the node.
        case apply
        /// After the change the node could not be reached by a new connection.
        case cutOff
        /// Something of ours is still on the node after `down`.
        case leftOver
        /// The controller's own state could not be read or written.
        case state
        /// Another controller holds the state.
        case busy
        /// A rotation of keys is open, and has to be ended first.
        case rotating
        /// No command logs in to the node: it joins by itself.
        case joined
        /// The call itself is wrong.
        case usage
    }

    /// Which kind.
    public let code: Code
    /// What happened, on one line; never a secret.
    public let message: String
    /// What to do next.
    public let hint: String?

    /// Describes a failure.
    public init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// The message, and the hint behind it.
    public var description: String {
        hint.map { "\(message); fix: \($0)" } ?? message
    }
}
