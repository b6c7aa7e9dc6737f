public import MeshModel

/// What `up` did, node by node.
public struct UpReport: Codable, Sendable {
    /// How a node came out of the run.
    public enum State: String, Codable, Sendable {
        /// Nothing was to be done.
        case unchanged
        /// The change is in force.
        case changed
        /// The change was taken back, by the node itself or because another node was cut off.
        case rolledBack
        /// The node could not be reached; its change waits as mail, and it fetches it by itself once it is back.
        case away
        /// No command logs in to the node; its change waits as mail, and it fetches it by itself.
        case mailed
        /// No command logs in to the node, and it has not joined yet.
        case awaitsJoin = "awaits-join"
        /// Something went wrong; the node keeps, or goes back to, the settings it had.
        case failed
    }

    /// One node's part.
    public struct Outcome: Codable, Sendable {
        /// Which node.
        public var node: String
        /// How it came out.
        public var state: State
        /// The revision in force, 0 for none.
        public var revision: UInt64
        /// What was done, in order.
        public var steps: [PlanStep]
        /// The nodes at which its change waits as mail, by name.
        public var mailboxes: [String] = []
        /// What went wrong.
        public var error: String?
        /// What to do about it.
        public var fix: String?
    }

    /// The mesh's name.
    public var mesh: String
    /// Every managed node, in the topology's order.
    public var nodes: [Outcome]
    /// Peerings between managed nodes that have a handshake now, and how many there should be.
    public var handshakes: Int
    /// How many peerings between managed nodes there are.
    public var peerings: Int
    /// The edges that go by SSH, as they are after the run.
    public var tunnels: [TunnelStatus]
    /// Peerings that wait for a key, as `a-b: node has no key yet`.
    public var waiting: [String]
    /// Nodes that have left the topology and still run the mesh.
    public var former: [FormerNode]
    /// *Units:* seconds.
    public var seconds: Double
    /// How the rotation came on whose grace period was open, or nil.
    public var rotation: RotateReport?

    /// Whether every node is as the topology wants it, and every tunnel stands.
    public var isGood: Bool { badNodes.isEmpty && tunnels.allSatisfy { $0.state == .up } }
    /// Nodes that are not as the topology wants them, and not on their way to it as they should be.
    public var badNodes: [Outcome] {
        nodes.filter { [.failed, .rolledBack, .away].contains($0.state) }
    }
    /// How many steps were taken in all.
    public var stepCount: Int { nodes.reduce(0) { $0 + $1.steps.count } }
}
