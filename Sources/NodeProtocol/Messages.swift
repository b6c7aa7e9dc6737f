public import MeshModel

/// The version of the conversation; both sides say theirs first and part where they differ.
public enum ProtocolVersion {
    /// What this program speaks.
    public static let current = 4
}

/// What the controller asks of a node's agent.
///
/// *Shape:* JSON of the synthesized form, for instance `{"commit":{"revision":7,"window":60}}`.
public enum Request: Codable, Sendable, Equatable {
    /// The first message of every connection.
    case hello(version: Int)
    /// What the kernel says now, for the document in force. Changes nothing.
    case observe
    /// What applying `document` would do. Changes nothing, so it needs no signature.
    case preview(document: NodeDocument)
    /// Checks and keeps a signed document, and the preshared keys that it names, for ``commit(revision:window:)``.
    case stage(document: SignedDocument, presharedKeys: [PresharedKeyPayload])
    /// Applies the staged document. Without ``confirm(revision:)`` over a new connection within `window`
    /// seconds the agent goes back to the document before.
    case commit(revision: UInt64, window: Double)
    /// Makes a committed document the one in force.
    case confirm(revision: UInt64)
    /// Goes back at once to the document before the committed one.
    case rollback(revision: UInt64)
    /// Sends something small to the peers of these names, or to all where none are given, so that handshakes happen
    /// now; by the interface that is named, whatever routes say, or else by the one that routes say.
    case nudge(peers: [String]?, interface: String? = nil)
    /// Has every tunnel that waits try at once.
    case wakeTunnels
    /// Drops the session of the tunnel that carries `edge`, with its connections, and makes a new one.
    case restartTunnel(edge: String)
    /// Makes the key for a generation, if there is none, and says its public half.
    case prepareKey(generation: Int)
    /// Has the node pin the controller's new key, where the chain leads to it from the one that is pinned.
    case succeed(chain: [KeySuccession])
    /// Makes the SSH keys of a set, if there are none, and says their public halves.
    case prepareSSHKeys(generation: Int)
    /// Keeps a sealed mail for another node, in place of an older one, until that node says that it has it. `sealed` is
    /// base64. Refused for a node that is no managed peer by the document in force.
    case keepMail(node: String, revision: UInt64, sealed: String)
    /// Wipes keys of these sets; refused where the document in force, or one that waits for confirmation, names one.
    case forgetKeys(wireguard: [Int], ssh: [Int])
    /// Removes everything of this mesh from the node, keys included, and says what was found and what is left;
    /// then the agent ends.
    case down
}

/// What the agent answers.
public enum Response: Codable, Sendable, Equatable {
    /// Answer to `hello`.
    case hello(NodeHello)
    /// Answer to `observe`.
    case observed(NodeReport)
    /// Answer to `preview`, `stage` and `commit`: the steps that are to be, or were, taken.
    case steps([PlanStep])
    /// Answer to `confirm`, `rollback`, `nudge`, `wakeTunnels`, `restartTunnel`, `succeed`, `keepMail` and
    /// `forgetKeys`.
    case done
    /// Answer to `prepareKey`.
    case key(PublicKey)
    /// Answer to `prepareSSHKeys`.
    case sshKeys(SSHNodeKeys)
    /// Answer to `down`.
    case removed(RemovalReport)
    /// No, and why.
    case refused(ProtocolError)
}

/// A node document as it travels and is kept: the exact bytes that were signed, and the signature.
public struct SignedDocument: Codable, Sendable, Equatable {
    /// JSON of a ``NodeDocument``, in base64.
    public var payload: String
    /// Ed25519 over ``context`` and the payload's bytes, in base64.
    public var signature: String

    /// Goes before the payload when it is signed, so that no other signature of the key can stand in.
    public static let context = Array("meshproof node document v1\0".utf8)

    /// Pairs a payload with its signature.
    public init(payload: String, signature: String) {
        self.payload = payload
        self.signature = signature
    }
}

/// A preshared key on its way to one of the two nodes that share it. Never log or keep this value.
public struct PresharedKeyPayload: Codable, Sendable, Equatable {
    /// Its name in the document.
    public var id: PresharedKeyID
    /// The 32 bytes in base64.
    public var key: String

    /// Pairs a name with its key.
    public init(id: PresharedKeyID, key: String) {
        self.id = id
        self.key = key
    }
}

/// Who a node is and where it stands.
public struct NodeHello: Codable, Sendable, Equatable {
    /// ``ProtocolVersion/current`` of the agent.
    public var version: Int
    /// The agent's program version.
    public var program: String
    /// The mesh's identity.
    public var meshID: String
    /// The node's name.
    public var node: String
    /// Its public key for each generation it has one for.
    public var keys: [Int: PublicKey]
    /// Its public SSH keys for each set it has.
    public var sshKeys: [Int: SSHNodeKeys]
    /// The public half of its mail key for each set it has; nil from an agent that knows no mail.
    public var mailKeys: [Int: PublicKey]?
    /// The revision in force, 0 for none.
    public var revision: UInt64
    /// The highest revision it ever took; the next one must be greater.
    public var highestRevision: UInt64
    /// The revision that is committed and waits for confirmation.
    public var unconfirmed: UInt64?
    /// The revision that was last rolled back because nobody confirmed it, and when.
    public var rolledBack: RolledBack?
    /// The controller's key that it has pinned.
    public var controllerKey: PublicKey?

    /// Gathers the parts.
    public init(
        version: Int, program: String, meshID: String, node: String, keys: [Int: PublicKey],
        sshKeys: [Int: SSHNodeKeys] = [:], mailKeys: [Int: PublicKey]? = nil, revision: UInt64,
        highestRevision: UInt64,
        unconfirmed: UInt64?, rolledBack: RolledBack?, controllerKey: PublicKey? = nil
    ) {
        self.version = version
        self.program = program
        self.meshID = meshID
        self.node = node
        self.keys = keys
        self.sshKeys = sshKeys
        self.mailKeys = mailKeys
        self.revision = revision
        self.highestRevision = highestRevision
        self.unconfirmed = unconfirmed
        self.rolledBack = rolledBack
        self.controllerKey = controllerKey
    }
}

/// A change that a node took back on its own.
public struct RolledBack: Codable, Sendable, Equatable {
    /// Which revision.
    public var revision: UInt64
    /// *Units:* seconds since 1970.
    public var at: Double
    /// Why, for people.
    public var reason: String

    /// Gathers the parts.
    public init(revision: UInt64, at: Double, reason: String) {
        self.revision = revision
        self.at = at
        self.reason = reason
    }
}

/// A node's state, for `status` and `plan`.
public struct NodeReport: Codable, Sendable, Equatable {
    /// Who it is and where it stands.
    public var hello: NodeHello
    /// What the kernel says.
    public var observed: ObservedNode
    /// The document in force, or nil.
    public var document: NodeDocument?
    /// What drift repair would do now; empty where the kernel is as the document says.
    public var drift: [PlanStep]
    /// The last repairs, oldest first, at most 50.
    public var repairs: [Repair]
    /// What it keeps, or kept, for other nodes; nil from an agent that knows no mail.
    public var mail: [KeptMail]?

    /// Gathers the parts.
    public init(
        hello: NodeHello, observed: ObservedNode, document: NodeDocument?, drift: [PlanStep],
        repairs: [Repair], mail: [KeptMail]? = nil
    ) {
        self.mail = mail
        self.hello = hello
        self.observed = observed
        self.document = document
        self.drift = drift
        self.repairs = repairs
    }
}

/// What one node keeps, or kept until it was fetched, for another.
public struct KeptMail: Codable, Sendable, Equatable {
    /// Whom it is for.
    public var node: String
    /// The revision of the document inside.
    public var revision: UInt64
    /// Since when it waits, or waited. *Units:* seconds since 1970.
    public var since: Double
    /// When its addressee said that it has taken this revision or a newer one, by which the mail itself went; nil while
    /// it waits. *Units:* seconds since 1970.
    public var takenAt: Double?
    /// The revision that was in force at the addressee when it asked last; nil where it has not asked since.
    public var inForce: UInt64?

    /// Gathers the parts.
    public init(
        node: String, revision: UInt64, since: Double, takenAt: Double? = nil,
        inForce: UInt64? = nil
    ) {
        self.node = node
        self.revision = revision
        self.since = since
        self.takenAt = takenAt
        self.inForce = inForce
    }
}

/// Something the agent mended by itself.
public struct Repair: Codable, Sendable, Equatable {
    /// *Units:* seconds since 1970.
    public var at: Double
    /// What it did and why.
    public var step: PlanStep
    /// What went wrong, where it did not succeed.
    public var failure: String?

    /// Gathers the parts.
    public init(at: Double, step: PlanStep, failure: String?) {
        self.at = at
        self.step = step
        self.failure = failure
    }
}

/// What `down` took away, and what a sweep found afterwards.
public struct RemovalReport: Codable, Sendable, Equatable {
    /// What was removed, a line each.
    public var removed: [String]
    /// What of ours is still there, a line each; empty is the proof.
    public var left: [String]

    /// Gathers the parts.
    public init(removed: [String], left: [String]) {
        self.removed = removed
        self.left = left
    }
}

/// What `meshproof node enroll` prints, as JSON, for the controller to read.
public struct Enrollment: Codable, Sendable, Equatable {
    /// The program's version on the node.
    public var program: String
    /// The node's public key for each generation it has one for.
    public var keys: [Int: PublicKey]
    /// Whether the agent was started, or was running already.
    public var agent: String

    /// Gathers the parts.
    public init(program: String, keys: [Int: PublicKey], agent: String) {
        self.program = program
        self.keys = keys
        self.agent = agent
    }
}
