import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Secrets
import TestSupport

/// A model kernel behind the agent's protocol, with steps that can be made to fail.
final class FakeKernel: NodeKernel {
    var model = ModelNode(.bare)
    var resolved: [String: SocketEndpoint] = [:]
    /// Changes whose summary begins so fail, as if the kernel had refused.
    var failing: String?
    var isBlind = false
    private(set) var applied: [PlanStep] = []
    private(set) var attempts = 0
    private(set) var nudged: [IPAddress] = []
    private(set) var underlayForgotten = 0

    func observe(_ scope: KernelScope) throws(NodeError) -> ObservedNode {
        if isBlind { throw NodeError(.kernel, "list links", "", "no answer") }
        var node = model.node
        node.interfaces.removeAll { Ownership.generation(of: $0.name, mesh: scope.mesh) == nil }
        node.resolved = scope.resolved
        resolved = scope.resolved
        return node
    }

    func apply(_ steps: [PlanStep]) -> ApplyOutcome {
        for (index, step) in steps.enumerated() {
            attempts += 1
            if let failing, step.summary.hasPrefix(failing) {
                return ApplyOutcome(
                    done: index,
                    failure: NodeError(.kernel, step.summary, "", "Operation not permitted"))
            }
            model.apply(step.change)
            applied.append(step)
        }
        return ApplyOutcome(done: steps.count)
    }

    func nudge(_ addresses: [IPAddress], by interface: String?) { nudged += addresses }
    func forgetUnderlay() { underlayForgotten += 1 }
    func holders(mesh: String) -> [String] { [] }
    let tunnels: any NodeTunnels = FakeTunnels()
}

/// Notes what it is asked; the tunnels themselves are in the model.
final class FakeTunnels: NodeTunnels {
    private(set) var wakes = 0
    private(set) var restarted: [String] = []

    func observe(
        _ desired: DesiredNode
    ) -> (tunnels: [ObservedTunnel], server: ObservedTunnelServer?) { ([], nil) }
    func apply(_ change: Change) throws(NodeError) {}
    func tend() {}
    func wake() { wakes += 1 }
    func restart(_ edge: String) -> Bool {
        restarted.append(edge)
        return edge != "nobody->nothing"
    }
    func close() {}
    func leftovers() -> [String] { [] }
}

/// File storage that stops, as if the process were killed, before its `fuse`-th change.
final class FusedStorage: NodeStorage {
    private let files = FileStorage()
    private(set) var changes = 0
    var fuse: Int?

    private func burn(_ path: String) throws(SystemError) {
        changes += 1
        if let fuse, changes > fuse { throw SystemError("killed before", path, errno: EIO) }
    }

    func read(_ path: String) throws(SystemError) -> [UInt8]? { try files.read(path) }

    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try burn(path)
        try files.replace(path, with: bytes)
    }

    func remove(_ path: String) throws(SystemError) {
        try burn(path)
        try files.remove(path)
    }

    func wipe(_ path: String) throws(SystemError) {
        try burn(path)
        try files.wipe(path)
    }

    func list(_ path: String) -> [String] { files.list(path) }

    func readSecret(_ path: String) throws(SecretsError) -> SecretBytes? {
        try files.readSecret(path)
    }

    func writeSecret(_ secret: SecretBytes, to path: String) throws(SecretsError) {
        do { try burn(path) } catch {
            throw SecretsError(.system, "write", path, "killed", hint: "none")
        }
        try files.writeSecret(secret, to: path)
    }

    func writeRaw(_ secret: SecretBytes, to path: String) throws(SystemError) {
        try burn(path)
        try files.writeRaw(secret, to: path)
    }
}

/// One enrolled node in a folder of its own, its controller, and a clock that only a test moves.
final class TestWorld {
    let controller: SigningKey
    let folders: NodeFolders
    let storage = FusedStorage()
    let kernel = FakeKernel()
    var now = Moment(wall: 1_800_000_000, monotonic: 1_000)
    var bootID = "boot-1"
    private(set) var core: AgentCore
    private(set) var keys: NodeKeys
    private let root: String
    let identity: NodeIdentity
    private(set) var presharedKey: SecretBytes

    init() throws {
        root = "/tmp/meshnode-test-\(UInt64.random(in: .min ... .max))"
        guard let folders = NodeFolders(mesh: "lab", root: root) else { throw Missing() }
        self.folders = folders
        controller = try SigningKey()
        identity = NodeIdentity(
            meshID: String(repeating: "ab", count: 16), mesh: "lab", node: "gpu",
            controllerKey: controller.publicKey)
        presharedKey = try PresharedKeys.generate()
        try identity.write(folders, storage)
        keys = NodeKeys(folders, storage)
        _ = try keys.prepare(0)
        core = AgentCore(
            identity: identity, folders: folders, storage: storage, kernel: kernel, keys: keys,
            program: "test", bootID: bootID, log: NodeLog(.none))
        try core.start(at: now)
    }

    deinit { try? Files.removeTree(root) }

    struct Missing: Error {}

    /// The agent is killed and started again, on what its files say.
    func restart(afterReboot: Bool = false) throws {
        storage.fuse = nil
        if afterReboot {
            bootID = "boot-2"
            now.monotonic = 5
            kernel.model = ModelNode(.bare)
        }
        keys = NodeKeys(folders, storage)
        core = AgentCore(
            identity: try NodeIdentity.read(folders, storage) ?? identity, folders: folders,
            storage: storage, kernel: kernel, keys: keys, program: "test", bootID: bootID,
            log: NodeLog(.none))
        try core.start(at: now)
    }

    var pskID: PresharedKeyID { PresharedKeys.identify(presharedKey) }

    /// A document for this node with one peer; `change` makes it another.
    func document(
        _ revision: UInt64, address: String = "10.77.0.1/32",
        _ change: (inout NodeDocument) -> Void = { _ in }
    ) throws -> NodeDocument {
        let peer = DesiredPeer(
            node: "edge", publicKey: Self.key(9), presharedKey: pskID,
            endpoint: Endpoint("198.51.100.11:51820"),
            allowedIPs: [try Self.prefix("10.77.0.2/32")],
            keepalive: nil)
        guard let own = try keys.publicKeys()[0] else { throw Missing() }
        let interface = DesiredInterface(
            name: "mp0-lab", generation: 0, publicKey: own, listenPort: 51820, backend: .auto,
            mtu: nil, addresses: [try Self.prefix(address)],
            networks: [try Self.prefix("10.77.0.0/24")], peers: [peer])
        var document = NodeDocument(
            meshID: identity.meshID, mesh: "lab", node: "gpu", revision: revision,
            issuedAt: 1_800_000_000, interfaces: [interface])
        change(&document)
        return document
    }

    func sign(_ document: NodeDocument, by key: SigningKey? = nil) throws -> SignedDocument {
        let payload = try Wire.encode(document)
        return SignedDocument(
            payload: Base64.encode(payload),
            signature: Base64.encode((key ?? controller).sign(SignedDocument.context + payload)))
    }

    func payload() -> PresharedKeyPayload {
        PresharedKeyPayload(id: pskID, key: SecretText.encode(presharedKey))
    }

    @discardableResult
    func ask(_ request: Request, from connection: UInt64 = 1) -> Response {
        core.answer(request, from: connection, at: now)
    }

    @discardableResult
    func stage(_ document: NodeDocument) throws -> Response {
        ask(.stage(document: try sign(document), presharedKeys: [payload()]))
    }

    /// Stages, commits and confirms.
    func install(_ document: NodeDocument) throws {
        try stage(document)
        ask(.commit(revision: document.revision, window: 60), from: 1)
        guard ask(.confirm(revision: document.revision), from: 2) == .done else { throw Missing() }
    }

    func hello() throws -> NodeHello {
        guard case .hello(let hello) = ask(.hello(version: ProtocolVersion.current)) else {
            throw Missing()
        }
        return hello
    }

    func report() throws -> NodeReport {
        guard case .observed(let report) = ask(.observe) else { throw Missing() }
        return report
    }

    /// Time goes on, and the agent does what is due.
    func pass(_ seconds: Double) {
        now.wall += seconds
        now.monotonic += seconds
        core.tick(at: now)
    }

    var addresses: [String] {
        kernel.model.node.interfaces.flatMap(\.addresses).map(\.description)
    }

    static func key(_ number: UInt8) -> PublicKey {
        PublicKey(bytes: [UInt8](repeating: number, count: 32)) ?? .zero
    }

    static func prefix(_ text: String) throws -> IPPrefix {
        guard let prefix = IPPrefix(text) else { throw Missing() }
        return prefix
    }
}

extension Response {
    /// The refusal's code, or nil where it is none.
    var refusal: ProtocolError.Code? {
        guard case .refused(let error) = self else { return nil }
        return error.code
    }
}
