public import MeshModel

/// What `rotate` did.
public struct RotateReport: Codable, Sendable {
    /// How it ended.
    public enum Outcome: String, Codable, Sendable {
        /// The new keys are in use, and nothing is left of the old ones.
        case rotated
        /// It was taken back: the old keys are in use, and nothing is left of the new ones.
        case takenBack = "taken-back"
        /// No key is as old as the topology allows: nothing was done.
        case notDue = "not-due"
        /// The mesh is on its new keys, and nodes without an agent are waited for.
        case grace
        /// It stopped on its way, and is open: `--resume` goes on, `--abort` goes back.
        case stopped
    }

    /// One step that was taken.
    public struct Step: Codable, Sendable {
        /// Which.
        public var step: RotationStep
        /// How long it took. *Units:* seconds.
        public var seconds: Double
    }

    /// One node's part.
    public struct NodeKeys: Codable, Sendable {
        /// Which node.
        public var node: String
        /// Its WireGuard key that is in use now, or nil where it has none.
        public var key: PublicKey?
        /// What is left of the keys that are over, a line each; empty is the proof.
        public var left: [String]
    }

    /// The mesh's name.
    public var mesh: String
    /// The journal's name of the run.
    public var run: String
    /// How it ended.
    public var outcome: Outcome
    /// The WireGuard keys and preshared keys, or nil where they stayed.
    public var wireguard: RotationPlan.Turn?
    /// The SSH keys, or nil where they stayed.
    public var ssh: RotationPlan.Turn?
    /// Whether it was about the preshared keys alone.
    public var preshared = false
    /// The part of the mesh that it was about, or nil for all of it.
    public var scope: PeeringScope?
    /// Nodes without an agent that are waited for.
    public var grace: [GraceNotice] = []
    /// The steps taken in this run.
    public var steps: [Step] = []
    /// Every node that took part.
    public var nodes: [NodeKeys] = []
    /// Nodes that it went on without, and that are cut off until they are brought up again.
    public var without: [String]
    /// Peerings that had no handshake with the old keys either.
    public var silent: [String] = []
    /// Who was waited for and has come by the new keys, a line each.
    public var arrived: [String] = []
    /// What else there is to know, a line each.
    public var notes: [String] = []
    /// The step that it stopped at.
    public var stoppedAt: RotationStep?
    /// Where it stopped: whether `--abort` is still to be had.
    public var canGoBack = true
    /// What went wrong.
    public var error: String?
    /// What to do about it.
    public var fix: String?
    /// *Units:* seconds.
    public var seconds = 0.0

    /// Whether it ended as it should: nothing is left of keys that are over.
    public var isGood: Bool { outcome != .stopped }
}
