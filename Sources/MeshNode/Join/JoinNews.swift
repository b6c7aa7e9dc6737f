/// What `meshproof join` tells of its way, for people.
package enum JoinNews: Sendable, Equatable {
    /// It dials the controller, or the relay, at this place.
    case dialling(String)
    /// It could not get through yet, and why; it tries again.
    case retrying(String)
    /// The controller has taken the token, and has shown that it made it.
    case welcomed
    /// This program was put where nodes have it.
    case installed(String)
    /// Keys are made, the controller's key is pinned, the agent runs.
    case enrolled
    /// The agent is being given its document.
    case configuring
}

/// What a node has become.
package struct JoinOutcome: Sendable, Equatable {
    /// The mesh.
    package let mesh: String
    /// The node's name in it.
    package let node: String
    /// Its overlay addresses.
    package let addresses: [String]
    /// Its peers' names.
    package let peers: [String]
    /// The services that it has an edge to, as the controller says.
    package let reaches: [String]
}
