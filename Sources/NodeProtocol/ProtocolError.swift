/// What a node says no with, and what goes wrong between controller and node.
public struct ProtocolError: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons; tests and messages go by them.
    public enum Code: String, Codable, Sendable {
        /// A frame that is empty or too large.
        case frameSize
        /// Bytes that are no message of this protocol.
        case malformed
        /// The two sides speak different versions.
        case version
        /// A document with a wrong or missing signature.
        case signature
        /// A document for another node or mesh.
        case wrongName
        /// A document that is older than, or the same as, one the node has already taken.
        case staleRevision
        /// A document that makes no sense, for instance without its preshared keys.
        case invalidDocument
        /// Nothing is staged, or something else is.
        case notStaged
        /// The node has never been enrolled in this mesh.
        case notEnrolled
        /// The node is enrolled with another controller's key.
        case otherController
        /// Applying failed; the node has gone back to its last good state.
        case applyFailed
        /// Another request that changes the node is under way.
        case busy
        /// The connection ended or timed out.
        case connection
        /// Anything else; the message tells.
        case failed
    }

    /// Which reason.
    public let code: Code
    /// What happened, for people; never a secret.
    public let message: String

    /// Describes a failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
