import CLinux
import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Testing

/// Kernel events that never come.
private final class Silence: KernelEvents {
    private let pipe: Pipe

    init() throws { pipe = try IO.pipe() }
    var descriptor: Int32 { pipe.reader.number }
    func drain() -> Bool { false }
}

/// An agent on a real socket, on a thread of its own, until its controller says `down`.
private final class LiveAgent {
    let socket: String
    private let thread: Worker

    init() throws {
        let name = "/tmp/meshnode-\(UInt64.random(in: .min ... .max)).sock"
        socket = name
        thread = try Worker("test agent") {
            do {
                let world = try TestWorld()
                let server = try AgentServer(
                    core: world.core, socketPath: name, events: try Silence(),
                    manager: ServiceManager(
                        socketPath: nil, watchdog: nil, watchdogProcess: nil, process: 0),
                    log: NodeLog(.none), trusting: geteuid())
                try server.run()
            } catch { Issue.record(error) }
        }
        while !Files.exists(name) { Clocks.sleep(0.005) }
    }

    func connect() throws -> Descriptor {
        let socket = Descriptor(
            owning: Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        let number = socket.number
        // Bound comes a moment before listening.
        for _ in 0..<100 {
            if cl_unix_connect(number, self.socket) == 0 { break }
            Clocks.sleep(0.01)
        }
        return socket
    }

    /// Sends bytes and reads answers until `count` of them are there or the agent hangs up.
    func exchange(_ bytes: [UInt8], answers count: Int) throws -> [Response] {
        let socket = try connect()
        try? IO.writeAll(socket.number, bytes)
        var reader = FrameReader()
        var answers: [Response] = []
        while answers.count < count, try IO.wait(socket.number, milliseconds: 5_000) {
            guard let chunk = try? IO.read(socket.number), !chunk.isEmpty else { break }
            reader.append(chunk)
            while let frame = try reader.next() {
                answers.append(try Wire.decode(Response.self, from: frame))
            }
        }
        return answers
    }

    func end() throws {
        _ = try exchange(try Self.hello + Self.frame(.down), answers: 2)
        thread.join()
        _ = unlink(socket)
    }

    static func frame(_ request: Request) throws -> [UInt8] {
        try FrameReader.frame(try Wire.encode(request))
    }

    static var hello: [UInt8] { get throws { try frame(.hello(version: ProtocolVersion.current)) } }
}

@Suite("The agent's socket", .serialized)
struct ServerTests {
    @Test("answers requests in order, is root's alone, and ends after down")
    func answers() throws {
        let agent = try LiveAgent()
        #expect(Files.mode(agent.socket) == 0o600)
        let bytes =
            try LiveAgent.hello + LiveAgent.frame(.observe)
            + LiveAgent.frame(.commit(revision: 1, window: 1))
        let answers = try agent.exchange(bytes, answers: 3)
        #expect(answers.count == 3)
        guard case .hello? = answers.first, case .refused(let error)? = answers.last else {
            Issue.record("\(answers)")
            return
        }
        #expect(error.code == .notStaged)
        try agent.end()
    }

    @Test("wants a hello first, of its own version")
    func greeting() throws {
        let agent = try LiveAgent()
        let silent = try agent.exchange(try LiveAgent.frame(.observe) + LiveAgent.hello, answers: 2)
        #expect(silent.map(\.refusal) == [.version])
        let foreign = try agent.exchange(
            try LiveAgent.frame(.hello(version: ProtocolVersion.current + 1))
                + LiveAgent.frame(.observe), answers: 2)
        #expect(foreign.map(\.refusal) == [.version])
        try agent.end()
    }

    @Test("outlives frames that are none")
    func hostile() throws {
        let agent = try LiveAgent()
        #expect(try agent.exchange([0, 0, 0, 0], answers: 1).map(\.refusal) == [.frameSize])
        #expect(
            try agent.exchange([255, 255, 255, 255], answers: 1).map(\.refusal) == [.frameSize])
        #expect(
            try agent.exchange([0, 0, 0, 2, 0x7b, 0x7d], answers: 1).map(\.refusal) == [.malformed])
        let deep = try FrameReader.frame([UInt8](repeating: UInt8(ascii: "["), count: 20_000))
        let nested = try agent.exchange(try LiveAgent.hello + deep, answers: 2)
        #expect(nested.last?.refusal == .malformed)
        // Before hello a peer may not make the agent hold much.
        let flood = [0, 16, 0, 0] + [UInt8](repeating: 32, count: 1 << 20)
        #expect(try agent.exchange(flood, answers: 1).isEmpty)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let noise = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = try agent.exchange(try LiveAgent.hello + [0, 0, 0, 200] + noise, answers: 2)
        }
        try agent.end()
    }

    @Test("turns away what is too many, and lets the others go on")
    func many() throws {
        let agent = try LiveAgent()
        var held: [Int32] = []
        for _ in 0..<AgentServer.connectionLimit {
            let socket = try agent.connect()
            held.append(socket.release())
        }
        #expect(try agent.exchange(try LiveAgent.hello, answers: 1).isEmpty)
        try IO.writeAll(held[0], try LiveAgent.hello)
        #expect(try IO.wait(held[0], milliseconds: 5_000))
        for number in held { close(number) }
        Clocks.sleep(0.05)
        try agent.end()
    }

    @Test("answers a controller that sends byte by byte")
    func slowly() throws {
        let agent = try LiveAgent()
        let socket = try agent.connect()
        for byte in try LiveAgent.hello { try IO.writeAll(socket.number, [byte]) }
        #expect(try IO.wait(socket.number, milliseconds: 5_000))
        #expect(try IO.read(socket.number).count > 4)
        try agent.end()
    }
}
