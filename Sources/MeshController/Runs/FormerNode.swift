public import MeshModel

/// A node that was once brought up, is not managed by the topology any more, and was never taken down: its peers drop
/// it, but it still holds its keys and runs the agent.
public struct FormerNode: Codable, Sendable, Equatable {
    /// Which node.
    public var node: String
    /// What is so, for people.
    public var message: String
    /// What to do about it.
    public var fix: String

    /// Tells of a node that ``ControllerState/formerNodes(besides:)`` found.
    public init(_ node: Node) {
        self.node = node.name
        message = "\(node.name) left the topology and still runs the mesh; its peers drop it"
        fix =
            "meshproof down --node \(node.name) removes the mesh from it; add --forget where the machine is gone for good"
    }
}
