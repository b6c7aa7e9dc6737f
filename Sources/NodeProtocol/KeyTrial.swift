/// How a tunnel's server answered a key that is not to be let in any more; `meshproof node try-keys` prints a list of
/// these, as JSON, for the controller to read.
public struct KeyTrial: Codable, Sendable, Equatable {
    /// What came of it.
    public enum Outcome: String, Codable, Sendable {
        /// The server does not take the key.
        case refused
        /// The server takes it.
        case allowed
        /// It did not come to an answer.
        case unanswered
    }

    /// The edge whose tunnel showed the key.
    public var edge: String
    /// The node of the server.
    public var node: String
    /// What came of it.
    public var outcome: Outcome
    /// The server's words, or why there are none.
    public var words: String

    /// Gathers the parts.
    public init(edge: String, node: String, outcome: Outcome, words: String) {
        self.edge = edge
        self.node = node
        self.outcome = outcome
        self.words = words
    }
}
