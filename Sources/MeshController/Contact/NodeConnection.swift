public import MeshModel
public import NodeProtocol

/// One conversation with a node's agent, over whatever carries it. Used by one thread at a time.
public final class NodeConnection: Sendable {
    private let stream: any ByteStream
    private let timeout: Double
    /// What the agent said of itself.
    public let hello: NodeHello

    /// Says hello over an open stream to `meshproof node bridge`.
    ///
    /// *Throws:* ``ControllerError`` `enroll` where the agent is another node's or another controller's, `agent`
    /// where it speaks another version, `hungUp` where there is none.
    public init(
        over stream: any ByteStream, node: String, meshID: String?, timeout: Double
    ) throws(ControllerError) {
        self.stream = stream
        self.timeout = timeout
        let answer = try NodeConnection.exchange(
            .hello(version: ProtocolVersion.current), over: stream, timeout: timeout)
        guard case .hello(let hello) = answer else {
            throw NodeConnection.unexpected(answer, to: "hello")
        }
        if hello.version != ProtocolVersion.current {
            throw ControllerError(
                .agent,
                "the agent speaks protocol \(hello.version), this program \(ProtocolVersion.current)",
                hint: "run meshproof up, which brings the same version to every node")
        }
        if let meshID, hello.meshID != meshID {
            throw ControllerError(
                .enroll,
                "\(node) belongs to a mesh of the same name that another controller has set up",
                hint: "work with that controller's state (--state), or run "
                    + "`\(NodeProgram.installedPath) node leave --mesh NAME` on \(node) first")
        }
        if hello.node != node {
            throw ControllerError(
                .enroll, "the machine reached for \(node) is node \(hello.node) of this mesh",
                hint: "check connect: of both in the topology")
        }
        self.hello = hello
    }

    deinit { stream.close() }

    /// Ends the conversation.
    public func close() { stream.close() }

    /// What the kernel says on the node now.
    public func observe() throws(ControllerError) -> NodeReport {
        let answer = try ask(.observe)
        guard case .observed(let report) = answer else {
            throw Self.unexpected(answer, to: "observe")
        }
        return report
    }

    /// What applying a document would do there.
    public func preview(_ document: NodeDocument) throws(ControllerError) -> [PlanStep] {
        try steps(.preview(document: document), "preview")
    }

    /// Hands a signed document over; returns what committing it will do.
    public func stage(
        _ document: SignedDocument, presharedKeys: [PresharedKeyPayload]
    ) throws(ControllerError) -> [PlanStep] {
        try steps(.stage(document: document, presharedKeys: presharedKeys), "stage")
    }

    /// Applies the staged document; returns what was done.
    public func commit(revision: UInt64, window: Double) throws(ControllerError) -> [PlanStep] {
        try steps(.commit(revision: revision, window: window), "commit")
    }

    /// Makes the committed document the one in force.
    public func confirm(revision: UInt64) throws(ControllerError) {
        try done(.confirm(revision: revision), "confirm")
    }

    /// Goes back to the document before.
    public func rollback(revision: UInt64) throws(ControllerError) {
        try done(.rollback(revision: revision), "rollback")
    }

    /// Makes handshakes with these peers happen now, by `interface` or by the one that routes say.
    public func nudge(_ peers: [String], by interface: String? = nil) throws(ControllerError) {
        try done(.nudge(peers: peers, interface: interface), "nudge")
    }

    /// Has the node make its private key of a generation, if it has none; its public half.
    public func prepareKey(_ generation: Int) throws(ControllerError) -> PublicKey {
        let answer = try ask(.prepareKey(generation: generation))
        guard case .key(let key) = answer else { throw Self.unexpected(answer, to: "prepare key") }
        return key
    }

    /// Has the node make its SSH keys of a set, if it has none; their public halves.
    public func prepareSSHKeys(_ generation: Int) throws(ControllerError) -> SSHNodeKeys {
        let answer = try ask(.prepareSSHKeys(generation: generation))
        guard case .sshKeys(let keys) = answer else {
            throw Self.unexpected(answer, to: "prepare SSH keys")
        }
        return keys
    }

    /// Has the node wipe its keys of these sets.
    public func forgetKeys(wireguard: [Int], ssh: [Int]) throws(ControllerError) {
        try done(.forgetKeys(wireguard: wireguard, ssh: ssh), "forget keys")
    }

    /// Leaves a sealed mail for another node.
    public func keepMail(
        for node: String, revision: UInt64, _ sealed: [UInt8]
    ) throws(ControllerError) {
        try done(
            .keepMail(node: node, revision: revision, sealed: Base64.encode(sealed)), "keep mail")
    }

    /// Has every tunnel that begins on the node and waits try at once.
    public func wakeTunnels() throws(ControllerError) { try done(.wakeTunnels, "wake tunnels") }

    /// Drops the session of a tunnel that begins on the node, and makes a new one.
    public func restartTunnel(_ edge: String) throws(ControllerError) {
        try done(.restartTunnel(edge: edge), "restart tunnel")
    }

    /// Has the node pin the controller's key of now, where it has pinned an older one; true where it had.
    @discardableResult
    public func handOver(_ identity: MeshIdentity) throws(ControllerError) -> Bool {
        guard let pinned = hello.controllerKey, pinned != identity.controllerKey,
            !identity.successions.isEmpty
        else { return false }
        try done(.succeed(chain: identity.successions), "succeed")
        return true
    }

    /// Whether the node has pinned this key of the controller's; nil where it does not say.
    func isPinned(to key: PublicKey) -> Bool? { hello.controllerKey.map { $0 == key } }

    /// What ``handOver(_:)`` does, with its reason.
    static func pinStep(_ key: PublicKey) -> PlanStep {
        PlanStep(.pinController(key: key), reason: "it has pinned a former key of the controller's")
    }

    /// Removes everything of the mesh from the node.
    public func down() throws(ControllerError) -> RemovalReport {
        let answer = try ask(.down)
        guard case .removed(let report) = answer else { throw Self.unexpected(answer, to: "down") }
        return report
    }

    private func steps(_ request: Request, _ name: String) throws(ControllerError) -> [PlanStep] {
        let answer = try ask(request)
        guard case .steps(let steps) = answer else { throw Self.unexpected(answer, to: name) }
        return steps
    }

    private func done(_ request: Request, _ name: String) throws(ControllerError) {
        let answer = try ask(request)
        guard case .done = answer else { throw Self.unexpected(answer, to: name) }
    }

    private func ask(_ request: Request) throws(ControllerError) -> Response {
        try Self.exchange(request, over: stream, timeout: timeout)
    }

    private static func exchange(
        _ request: Request, over stream: any ByteStream, timeout: Double
    ) throws(ControllerError) -> Response {
        try Conversation.exchange(request, for: Response.self, over: stream, timeout: timeout)
    }

    private static func unexpected(_ answer: Response, to request: String) -> ControllerError {
        if case .refused(let refusal) = answer {
            return Conversation.unexpected(refusal, to: request)
        }
        return Conversation.unexpected(nil, to: request)
    }
}
