import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Synchronization

/// Reaches machines that are only in memory, by the node's name.
struct FakeCarrier: Carrier {
    let machines: [String: FakeMachine]

    func connect(to node: Node, timeout: Double) throws(ControllerError) -> any CarrierSession {
        guard let machine = machines[node.name], machine.admits() else {
            throw ControllerError(.unreachable, "\(node.name): no route to host")
        }
        let number = machine.state.withLock { state in
            state.connections += 1
            return state.connections
        }
        return FakeSession(machine, number)
    }
}

private final class FakeSession: CarrierSession {
    let description = "memory"
    private let machine: FakeMachine
    private let number: Int

    init(_ machine: FakeMachine, _ number: Int) {
        self.machine = machine
        self.number = number
    }

    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult {
        machine.run(command)
    }

    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult {
        progress(50, 100)
        progress(100, 100)
        return machine.install(TestMesh.program.digest)
    }

    func open(_ command: String) throws(ControllerError) -> any ByteStream {
        FakeStream(machine, number)
    }
}

/// The bridge to the agent: whole frames in, whole frames out, and the end where the agent hangs up.
private final class FakeStream: ByteStream {
    private struct Pending: Sendable {
        var reader = FrameReader()
        var answers: [[UInt8]] = []
    }

    private let machine: FakeMachine
    private let number: Int
    private let pending = Mutex(Pending())

    init(_ machine: FakeMachine, _ number: Int) {
        self.machine = machine
        self.number = number
    }

    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {
        pending.withLock { pending in
            pending.reader.append(bytes)
            while let frame = try? pending.reader.next(),
                let request = try? Wire.decode(Request.self, from: frame),
                let answer = machine.answer(request, connection: number),
                let encoded = try? Wire.encode(answer), let framed = try? FrameReader.frame(encoded)
            { pending.answers.append(framed) }
        }
    }

    func read(deadline: Double) throws(ControllerError) -> [UInt8] {
        pending.withLock { $0.answers.isEmpty ? [] : $0.answers.removeFirst() }
    }

    func close() {}
    var errorText: String { "" }
}
