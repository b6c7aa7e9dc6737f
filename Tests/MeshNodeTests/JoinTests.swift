import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@testable import MeshNode

@Suite("A node that joins does what the token is for, and nothing else", .serialized)
struct JoinTests {
    private static let key = PublicKey(bytes: [UInt8](repeating: 9, count: 32)) ?? .zero

    private static func token(
        port: UInt16 = 1, hosts: [String] = ["127.0.0.1"], lasting seconds: Int64 = 600
    ) throws -> JoinToken {
        try JoinToken(
            JoinInvitation(
                id: try JoinToken.newID(), mesh: "lab", node: "nas", hosts: hosts,
                port: port, expires: Clocks.wallSeconds() + seconds, controllerKey: key))
    }

    private func code(_ body: () throws -> Void) -> NodeError? {
        do {
            try body()
            return nil
        } catch { return error as? NodeError }
    }

    @Test("a token that is over is told before anything is dialled, with both clocks in mind")
    func expired() throws {
        let error = code {
            _ = try JoinRun(try Self.token(lasting: -300), root: "/nowhere") { _ in }
        }
        #expect(error?.code == .usage)
        #expect(error?.message.contains("5 min ago") == true, "\(error?.message ?? "")")
        #expect(
            error?.hint.contains("clock") == true && error?.hint.contains("peer invite nas") == true
        )
    }

    @Test("a machine that is another node of a mesh of this name says what to do")
    func otherNode() throws {
        let box = try JoinBox()
        try box.enrolled(as: "gpu")
        let error = code { _ = try JoinRun(try Self.token(), root: box.root) { _ in } }
        #expect(error?.code == .otherController)
        #expect(error?.hint.contains("node leave --mesh lab") == true)
        try box.enrolled(as: "nas", by: 8)
        let foreign = code { _ = try JoinRun(try Self.token(), root: box.root) { _ in } }
        #expect(foreign?.code == .otherController)
        #expect(foreign?.hint.contains("token is still good") == true, "nothing was dialled")
        // The same node goes on from where it was left.
        try box.enrolled(as: "nas")
        _ = try JoinRun(try Self.token(), root: box.root) { _ in }
    }

    @Test("a controller that has the wrong key changes nothing here")
    func impostor() throws {
        let box = try JoinBox()
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        let port = JoinSockets.port(of: socket.number)
        var sockets = ListeningSockets()
        sockets.add(socket)
        let listener = try JoinListener(
            sockets, keys: OneKey(try SecretBytes(random: 32)), admitted: { _ in },
            refused: { _ in })
        defer { listener.stop() }
        let run = try JoinRun(try Self.token(port: port), root: box.root) { _ in }
        let error = code { _ = try run.run() }
        #expect(error?.code == .join)
        #expect(error?.hint.contains("Nothing was changed") == true)
        #expect(try Files.list(box.root).isEmpty)
    }

    @Test("a place where somebody else refuses the token does not keep it from the next place")
    func otherPlace() throws {
        let box = try JoinBox()
        let wrong = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        let port = JoinSockets.port(of: wrong.number)
        let right = try JoinSockets.listen(on: "127.0.0.2", port: port)
        let token = try Self.token(port: port, hosts: ["127.0.0.1", "127.0.0.2"])
        let stranger = try Self.listener(wrong, try SecretBytes(random: 32)) { _ in }
        defer { stranger.stop() }
        let seen = Proofs()
        let controller = try Self.listener(right, try token.channelKey()) { stream in
            _ = try? Worker("answer") {
                let deadline = Clocks.monotonic() + 10
                guard
                    let entry = try? JoinFrames.receive(
                        JoinEntry.self, from: stream, deadline: deadline)
                else { return }
                seen.proofs.withLock { $0.append(entry.proof) }
                // Used by another: the join ends here, and not before.
                let answer = JoinAdmission.refused(ProtocolError(.failed, "used"))
                try? JoinFrames.send(answer, to: stream, deadline: deadline)
                stream.close()
            }
        }
        defer { controller.stop() }
        let began = Clocks.monotonic()
        let run = try JoinRun(token, root: box.root) { _ in }
        let error = code { _ = try run.run() }
        #expect(seen.proofs.withLock { $0 } == [SecretText.encode(try token.proof())])
        #expect(error?.message.contains("does not take this token") == true)
        #expect(Clocks.monotonic() - began < 10, "all have refused: nothing to wait for")
    }

    private static func listener(
        _ socket: consuming Descriptor, _ key: SecretBytes,
        admitted: @escaping @Sendable (JoinStream) -> Void
    ) throws -> JoinListener {
        var sockets = ListeningSockets()
        sockets.add(socket)
        return try JoinListener(sockets, keys: OneKey(key), admitted: admitted, refused: { _ in })
    }

    @Test("one conversation that lasts does not keep further connections from being made")
    func manyThreads() throws {
        let over = Flag()
        defer { over.isSet.withLock { $0 = true } }
        var threads = JoinThreads()
        let began = Clocks.monotonic()
        threads.keep(
            try Worker("lasts") {
                while !over.isSet.withLock({ $0 }) && Clocks.monotonic() < began + 20 {
                    Clocks.sleep(0.01)
                }
            })
        for _ in 0..<JoinThreads.limit { threads.keep(try Worker("short") {}) }
        threads.join()
        #expect(Clocks.monotonic() - began < 10)
    }

    @Test("orders for another mesh, node or key are refused, and so is what is no order")
    func orders() throws {
        let box = try JoinBox()
        let service = try box.service(Self.token().invitation)
        let key = Self.key
        func enrollment(_ change: (inout JoinEnrollment) -> Void) -> JoinOrder {
            var enrollment = JoinEnrollment(
                mesh: "lab", meshID: String(repeating: "0", count: 32), node: "nas",
                controllerKey: key, successions: [])
            change(&enrollment)
            return .enroll(enrollment)
        }
        let other = PublicKey(bytes: [UInt8](repeating: 8, count: 32)) ?? .zero
        let wrong: [(JoinOrder, ProtocolError.Code)] = [
            (enrollment { $0.controllerKey = other }, .otherController),
            (enrollment { $0.node = "gpu" }, .otherController),
            (enrollment { $0.mesh = "other" }, .wrongName),
            (enrollment { $0.meshID = "--help" }, .malformed),
            (.look(mesh: "../../etc"), .wrongName), (.bridge(mesh: "other"), .wrongName),
            (.bridge(mesh: "lab"), .failed),
        ]
        for (order, code) in wrong {
            guard case .refused(let refusal)? = try box.ask(order, service) else {
                Issue.record("\(order) was not refused")
                continue
            }
            #expect(refusal.code == code, "\(order): \(refusal.message)")
        }
        #expect(try Files.list(box.root).isEmpty, "nothing was changed")
        guard case .looked(let look)? = try box.ask(.look(mesh: "lab"), service) else {
            Issue.record("no look")
            return
        }
        #expect(look.system == "Linux" && look.digest == nil && !look.isEnrolled && !look.hasSocket)
        let noise: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0],
            [0, 0, 0, 24] + Array("{\"run\":{\"command\":\"id\"}}".utf8.prefix(24)),
        ]
        for bytes in noise {
            let stream = try box.connection(service)
            try stream.write(bytes, deadline: Clocks.monotonic() + 5)
            _ = try? stream.read(deadline: Clocks.monotonic() + 5)
        }
        #expect(service.end == nil)
    }

    @Test("a conversation reaches the agent's socket, and the end is told")
    func bridge() throws {
        let box = try JoinBox()
        let service = try box.service(Self.token().invitation)
        let folders = try #require(NodeFolders(mesh: "lab", root: box.root))
        try Files.makeFolder(folders.run)
        let agent = try AgentSocket.listen(folders.socket)
        let stream = try box.connection(service)
        let deadline = Clocks.monotonic() + 10
        try JoinFrames.send(JoinOrder.bridge(mesh: "lab"), to: stream, deadline: deadline)
        let bridged = try JoinFrames.receive(JoinAnswer.self, from: stream, deadline: deadline)
        #expect(bridged == .bridged)
        #expect(try IO.wait(agent.number, milliseconds: 5000))
        guard let accepted = AgentSocket.accept(agent.number, trusting: geteuid()) else {
            Issue.record("nobody reached the agent")
            return
        }
        try stream.write([1, 2, 3], deadline: deadline)
        #expect(try IO.wait(accepted.number, milliseconds: 5000))
        #expect(try IO.read(accepted.number) == [1, 2, 3])
        try IO.writeAll(accepted.number, [4, 5])
        #expect(try stream.read(deadline: deadline) == [4, 5])
        stream.close()
        let end = JoinEnd(error: nil, reaches: ["web.lab:80"])
        #expect(try box.ask(.end(end), service) == .ended)
        while service.end == nil && Clocks.monotonic() < deadline { _ = service.waits(seconds: 1) }
        #expect(service.end == end)
        #expect(service.waits(seconds: 5) == .ended)
    }
}

private final class Proofs: Sendable { let proofs = Mutex<[String]>([]) }

private final class Flag: Sendable { let isSet = Mutex(false) }

private struct OneKey: JoinKeys {
    let only: SecretBytes
    init(_ only: SecretBytes) { self.only = only }
    func key(of identity: [UInt8]) -> any SecretMaterial { only }
}

/// A folder that stands for a machine, and a controller's end of connections to it.
private final class JoinBox {
    let root: String
    private let key: SecretBytes
    private let listener: JoinListener
    private let port: UInt16
    private let admitted = Admitted()
    private var workers: [Worker] = []

    final class Admitted: Sendable { let streams = Mutex<[JoinStream]>([]) }

    init() throws {
        root = "/tmp/meshproof-join-\(UInt64.random(in: .min ... .max))"
        try Files.makeFolder(root)
        key = try SecretBytes(random: 32)
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        port = JoinSockets.port(of: socket.number)
        var sockets = ListeningSockets()
        sockets.add(socket)
        let admitted = admitted
        listener = try JoinListener(
            sockets, keys: OneKey(key),
            admitted: { stream in admitted.streams.withLock { $0.append(stream) } },
            refused: { _ in })
    }

    deinit {
        listener.stop()
        try? Files.removeTree(root)
    }

    func enrolled(as node: String, by key: UInt8 = 9) throws {
        guard let folders = NodeFolders(mesh: "lab", root: root) else { return }
        try Files.makeFolder(folders.state)
        let identity = NodeIdentity(
            meshID: String(repeating: "0", count: 32), mesh: "lab", node: node,
            controllerKey: PublicKey(bytes: [UInt8](repeating: key, count: 32)) ?? .zero)
        try identity.write(folders, FileStorage())
    }

    func service(_ invitation: JoinInvitation) throws -> JoinService {
        guard let folders = NodeFolders(mesh: "lab", root: root) else {
            throw NodeError(.usage, "", "", "")
        }
        return JoinService(invitation, folders: folders) { _ in }
    }

    /// A connection that the service serves; the controller's end of it.
    func connection(_ service: JoinService) throws -> JoinStream {
        let node = try JoinDialler().dial(
            "127.0.0.1", port: port, as: [1], key: key, timeout: 10)
        workers.append(try Worker("serve") { service.serve(node, patience: 5) })
        let deadline = Clocks.monotonic() + 5
        while Clocks.monotonic() < deadline {
            if let stream = admitted.streams.withLock({ $0.popLast() }) { return stream }
            Clocks.sleep(0.01)
        }
        throw NodeError(.join, "", "", "nobody came")
    }

    func ask(_ order: JoinOrder, _ service: JoinService) throws -> JoinAnswer? {
        let stream = try connection(service)
        defer { stream.close() }
        let deadline = Clocks.monotonic() + 5
        try JoinFrames.send(order, to: stream, deadline: deadline)
        return try JoinFrames.receive(JoinAnswer.self, from: stream, deadline: deadline)
    }
}
