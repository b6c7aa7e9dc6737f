import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization

@testable import MeshController

/// A gate on loopback with a real state behind it, and whoever dials it.
final class JoinRig {
    let mesh: TestMesh
    let state: ControllerState
    let token: JoinToken
    let keyring: JoinKeyring
    let gate: JoinGate
    let port: UInt16

    /// - Parameter lasting: seconds that the token is good for; negative for one that is over.
    init(
        _ mesh: TestMesh, lasting seconds: Int64 = 600, state: ControllerState? = nil,
        node: String = "nas"
    ) throws {
        self.mesh = mesh
        let state = try state ?? mesh.state()
        self.state = state
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        let port = JoinSockets.port(of: socket.number)
        self.port = port
        token = try JoinToken(
            Self.invitation(
                state, node: node, port: port, expires: Clocks.wallSeconds() + seconds))
        try state.open(token)
        keyring = try JoinKeyring(
            token, state: state, until: Clocks.monotonic() + Double(seconds))
        gate = JoinGate(keyring)
        var sockets = ListeningSockets()
        sockets.add(socket)
        try gate.open(sockets)
    }

    deinit { gate.shut() }

    static func invitation(
        _ state: ControllerState, mesh: String = "lab", node: String = "nas", port: UInt16,
        expires: Int64
    ) throws -> JoinInvitation {
        JoinInvitation(
            id: try JoinToken.newID(), mesh: mesh, node: node, hosts: ["127.0.0.1"], port: port,
            expires: expires, controllerKey: state.identity.controllerKey)
    }

    func dial(_ id: [UInt8], _ key: any SecretMaterial) throws -> JoinStream {
        try JoinDialler().dial("127.0.0.1", port: port, as: id, key: key, timeout: 10)
    }

    /// Comes with a token, as `meshproof join` does; what the gate says.
    func enter(
        _ token: JoinToken, proof: String? = nil, version: Int = JoinVersion.current
    ) throws -> JoinAdmission {
        let stream = try dial(token.invitation.id, try token.channelKey())
        let deadline = Clocks.monotonic() + 10
        try stream.send(
            JoinEntry(
                version: version, agent: ProtocolVersion.current, program: "0.1.0\u{1b}[31m",
                proof: try proof ?? SecretText.encode(token.proof())), deadline: deadline)
        return try stream.receive(JoinAdmission.self, deadline: deadline)
    }
}

/// A machine that joins: offers connections, and carries out the controller's orders on a machine in memory.
final class FakeJoiner: Sendable {
    private let isStopped = Mutex(false)
    private let ended = Mutex<JoinEnd?>(nil)
    private let worker = Mutex<Worker?>(nil)

    init(_ machine: FakeMachine, port: UInt16, id: [UInt8], key: SecretBytes) throws {
        let worker = try Worker("fake-joiner") { [self] in
            var serving: [Worker] = []
            while !isStopped.withLock({ $0 }) {
                // A machine that cannot get through offers nothing.
                guard machine.admits(),
                    let stream = try? JoinDialler().dial(
                        "127.0.0.1", port: port, as: id, key: key, timeout: 5)
                else {
                    Clocks.sleep(0.05)
                    continue
                }
                if let one = try? Worker("serve", { self.serve(stream, machine) }) {
                    serving.append(one)
                }
                Clocks.sleep(0.05)
            }
            for one in serving { one.join() }
        }
        self.worker.withLock { $0 = worker }
    }

    /// How the controller says that it came out.
    var end: JoinEnd? { ended.withLock { $0 } }

    func stop() {
        isStopped.withLock { $0 = true }
        worker.withLock { $0 }?.join()
    }

    private func serve(_ stream: JoinStream, _ machine: FakeMachine) {
        defer { stream.close() }
        let deadline = Clocks.monotonic() + 3
        guard let order = try? stream.receive(JoinOrder.self, deadline: deadline) else {
            return
        }
        switch order {
        case .look:
            let probe = NodeProbe.parse(machine.run("echo uid=").text)
            let look = JoinLook(
                system: probe.system, machine: probe.machine, digest: "another build",
                isEnrolled: probe.isEnrolled, hasSocket: probe.hasSocket, isStale: false,
                hasSystemd: false)
            try? stream.send(JoinAnswer.looked(look), deadline: deadline)
        case .enroll(let order):
            let command =
                "x node enroll --mesh-id \(order.meshID) --node \(order.node) --controller-key \(order.controllerKey)"
            let text = machine.run(command).text
            guard let enrollment = try? Wire.decode(Enrollment.self, from: NodeContact.answer(text))
            else { return }
            try? stream.send(JoinAnswer.enrolled(enrollment), deadline: deadline)
        case .bridge:
            try? stream.send(JoinAnswer.bridged, deadline: deadline)
            bridge(stream, machine)
        case .end(let end):
            try? stream.send(JoinAnswer.ended, deadline: deadline)
            ended.withLock { $0 = end }
        }
    }

    private func bridge(_ stream: JoinStream, _ machine: FakeMachine) {
        let number = machine.state.withLock { state in
            state.connections += 1
            return state.connections
        }
        var reader = FrameReader()
        while let bytes = try? stream.read(deadline: Clocks.monotonic() + 20), !bytes.isEmpty {
            reader.append(bytes)
            while let frame = try? reader.next() {
                guard let request = try? Wire.decode(Request.self, from: frame),
                    let answer = machine.answer(request, connection: number)
                else { return }
                try? stream.send(answer, deadline: Clocks.monotonic() + 5)
            }
        }
    }
}
