public import LinuxSystem
public import MeshModel
import NodeProtocol

/// A way to reach a node: SSH, or a process on this machine.
public protocol Carrier: Sendable {
    /// Opens a new connection to a node. *Throws:* ``ControllerError`` `unreachable`, `hostKey`, `authentication`.
    func connect(to node: Node, timeout: Double) throws(ControllerError) -> any CarrierSession
}

/// One open connection to a node. Used by one thread at a time.
public protocol CarrierSession: AnyObject, Sendable {
    /// Runs a shell command as root on the node, to its end.
    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult
    /// Runs a shell command as root with a local file as its standard input.
    ///
    /// - Parameter progress: called with the bytes sent so far and the file's size.
    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult
    /// Starts a shell command as root and hands over its standard input and output.
    func open(_ command: String) throws(ControllerError) -> any ByteStream
    /// What carries the connection, for people, for instance `ssh root@198.51.100.12`.
    var description: String { get }
}

/// A session without a shell: what may be asked over it is listed here, and the other commands of a
/// ``CarrierSession`` are refused.
protocol OrderedSession: CarrierSession {
    /// Looks around. Changes nothing on the node.
    func look(mesh: String, timeout: Double) throws(ControllerError) -> NodeProbe
    /// Makes the node's keys, pins the controller's key and starts the agent.
    func enroll(
        _ identity: MeshIdentity, node: String, timeout: Double
    ) throws(ControllerError) -> Enrollment
    /// Opens a conversation with the agent.
    func bridge(mesh: String, timeout: Double) throws(ControllerError) -> any ByteStream
}

/// Two-way bytes with deadlines, on the monotonic clock. Used by one thread at a time.
public protocol ByteStream: AnyObject, Sendable {
    /// The bytes that came; empty at the end of the stream. *Throws:* `timeout` at the deadline.
    func read(deadline: Double) throws(ControllerError) -> [UInt8]
    /// Sends all bytes.
    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError)
    /// Ends the conversation.
    func close()
    /// What the other side printed as an error, if it ended.
    var errorText: String { get }
}

/// Picks the carrier that a node's `connect` names.
public struct NodeCarrier: Carrier {
    private let ssh: any Carrier
    private let local: any Carrier

    /// Combines the two.
    public init(ssh: any Carrier, local: any Carrier = LocalCarrier()) {
        self.ssh = ssh
        self.local = local
    }

    /// Opens a new connection to a node by the carrier that its `connect` names.
    public func connect(to node: Node, timeout: Double) throws(ControllerError)
        -> any CarrierSession
    {
        switch node.connect {
        case .local: return try local.connect(to: node, timeout: timeout)
        case .ssh: return try ssh.connect(to: node, timeout: timeout)
        case .join: throw ControllerError.joined(node)
        case nil:
            throw ControllerError(
                .usage, "\(node.name) is unmanaged: there is no way to log in to it")
        }
    }
}
