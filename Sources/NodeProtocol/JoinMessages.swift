public import MeshModel

/// The version of what a joining node and its controller say to each other.
public enum JoinVersion {
    /// What this program speaks.
    public static let current = 1
}

/// The first message of a node that comes with a token.
///
/// *Shape:* a frame of JSON, as all messages of a join; at most ``JoinLimits/frame`` bytes.
public struct JoinEntry: Codable, Sendable, Equatable {
    /// ``JoinVersion/current`` of the node's program.
    public var version: Int
    /// ``ProtocolVersion/current`` of the node's program, which its agent will speak.
    public var agent: Int
    /// The version of the node's program.
    public var program: String
    /// What shows that the node has the token's secret, in base64. Never log or keep this value.
    public var proof: String

    /// Gathers the parts.
    public init(version: Int, agent: Int, program: String, proof: String) {
        self.version = version
        self.agent = agent
        self.program = program
        self.proof = proof
    }
}

/// What the controller answers to ``JoinEntry``: the token is used up now.
public enum JoinAdmission: Codable, Sendable, Equatable {
    /// Come in. Further connections go by a key of this join alone: its name, and the key, both in base64.
    case welcome(id: String, key: String)
    /// No, and why.
    case refused(ProtocolError)
}

/// What the controller asks of a node that joins, one on each connection. There is nothing else that it can ask.
public enum JoinOrder: Codable, Sendable, Equatable {
    /// Look around; changes nothing.
    case look(mesh: String)
    /// Make the node's keys, pin the controller's key, and start the agent.
    case enroll(JoinEnrollment)
    /// Pass this connection on to the agent from here on.
    case bridge(mesh: String)
    /// The join is over.
    case end(JoinEnd)
}

/// What ``JoinOrder/enroll(_:)`` is told.
public struct JoinEnrollment: Codable, Sendable, Equatable {
    /// The mesh's name.
    public var mesh: String
    /// The mesh's identity, 32 hexadecimal digits.
    public var meshID: String
    /// The node's name.
    public var node: String
    /// The key to pin; it has to be the token's.
    public var controllerKey: PublicKey
    /// How the key came from the first one, oldest first.
    public var successions: [KeySuccession]

    /// Gathers the parts.
    public init(
        mesh: String, meshID: String, node: String, controllerKey: PublicKey,
        successions: [KeySuccession]
    ) {
        self.mesh = mesh
        self.meshID = meshID
        self.node = node
        self.controllerKey = controllerKey
        self.successions = successions
    }
}

/// How a join came out.
public struct JoinEnd: Codable, Sendable, Equatable {
    /// What went wrong with this node; nil where it is as it should be.
    public var error: String?
    /// The services that the node has an edge to, by the names that it may call them.
    public var reaches: [String]

    /// Says how.
    public init(error: String?, reaches: [String] = []) {
        self.error = error
        self.reaches = reaches
    }
}

/// What a node answers to a ``JoinOrder``.
public enum JoinAnswer: Codable, Sendable, Equatable {
    /// Answer to `look`.
    case looked(JoinLook)
    /// Answer to `enroll`.
    case enrolled(Enrollment)
    /// Answer to `bridge`: what comes next is the agent's.
    case bridged
    /// Answer to `end`.
    case ended
    /// No, and why.
    case refused(ProtocolError)
}

/// What a node that joins says of itself before anything was changed.
public struct JoinLook: Codable, Sendable, Equatable {
    /// As `uname -s` says.
    public var system: String
    /// As `uname -m` says.
    public var machine: String
    /// SHA-256 of the installed program, or nil where there is none.
    public var digest: String?
    /// Whether the node belongs to the mesh already.
    public var isEnrolled: Bool
    /// Whether the agent's socket is there.
    public var hasSocket: Bool
    /// Whether the agent that runs is of another build than the installed program.
    public var isStale: Bool
    /// Whether systemd runs the machine.
    public var hasSystemd: Bool

    /// Gathers the parts.
    public init(
        system: String, machine: String, digest: String?, isEnrolled: Bool, hasSocket: Bool,
        isStale: Bool, hasSystemd: Bool
    ) {
        self.system = system
        self.machine = machine
        self.digest = digest
        self.isEnrolled = isEnrolled
        self.hasSocket = hasSocket
        self.isStale = isStale
        self.hasSystemd = hasSystemd
    }
}

/// Bounds of a join's messages.
public enum JoinLimits {
    /// The largest frame. *Units:* bytes. A chain of a hundred changes of the controller's key is 40 KiB.
    public static let frame = 256 << 10
}
