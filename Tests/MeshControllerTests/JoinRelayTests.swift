import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@testable import MeshController

@Suite(
    "A relay passes bytes and has no rights", .serialized,
    .enabled(if: geteuid() == 0 && Files.exists(RelayMachine.program)))
struct JoinRelayTests {
    @Test("large messages pass both ways at the same time, beside strangers who say nothing")
    func passes() throws {
        let rig = try RelayRig()
        var strangers: [Int32] = []
        defer { for number in strangers { close(number) } }
        for _ in 0..<40 {
            strangers.append(
                try JoinSockets.connect(
                    to: "127.0.0.1", port: rig.relay.port, deadline: Clocks.monotonic() + 5
                ).release())
        }
        let node = try rig.dial()
        let controller = try #require(rig.next())
        #expect(controller.peer == "127.0.0.1 through bee")
        let large = (0..<6_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        let deadline = Clocks.monotonic() + 60
        // Each end writes all before it reads any: the relay has to hold what is on its way.
        let ends = try fanOut([node, controller], limit: 2, name: "end") { stream -> Bool in
            let got = Mutex<[UInt8]>([])
            do { try stream.write(Array(large.prefix(200_000)), deadline: deadline) } catch {
                return false
            }
            while got.withLock({ $0.count }) < 200_000,
                let bytes = try? stream.read(deadline: deadline), !bytes.isEmpty
            { got.withLock { $0 += bytes } }
            return got.withLock { $0 == Array(large.prefix(200_000)) }
        }
        #expect(ends == [true, true])
        let reader = try Worker("read") {
            var count = 0
            while count < large.count, let bytes = try? node.read(deadline: deadline),
                !bytes.isEmpty
            { count += bytes.count }
            try? node.write([count == large.count ? 1 : 0], deadline: deadline)
        }
        try controller.write(large, deadline: deadline)
        #expect(try controller.read(deadline: deadline) == [1])
        reader.join()
        node.close()
        #expect(try controller.read(deadline: deadline) == [])
    }

    @Test("it is nobody's process, and goes when it is told to, and when the controller is gone")
    func rights() throws {
        let rig = try RelayRig()
        let process = try #require(rig.machine.process)
        let status = String(
            decoding: try Files.read("/proc/\(process)/status", limit: 1 << 16), as: UTF8.self)
        #expect(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"))
        #expect(status.contains("\nGid:\t65534\t65534\t65534\t65534\n"))
        #expect(status.contains("\nCapEff:\t0000000000000000\n"))
        #expect(status.contains("\nNoNewPrivs:\t1\n"))
        #expect(!status.contains("\nGroups:\t0"))
        let node = try rig.dial()
        rig.relay.stop()
        #expect(rig.machine.isGone(within: 10))
        #expect(throws: JoinChannelError.self) {
            let bytes = try node.read(deadline: Clocks.monotonic() + 5)
            if bytes.isEmpty { throw JoinChannelError(.hungUp, "ended") }
        }
        let other = try RelayRig()
        kill(try #require(other.machine.process), SIGKILL)
        let deadline = Clocks.monotonic() + 10
        while other.relay.ended == nil && Clocks.monotonic() < deadline { Clocks.sleep(0.05) }
        #expect(other.relay.ended?.contains("relay on bee") == true)
    }

    @Test(
        "where there are too many, the address with the most loses its oldest, not who came first")
    func crowd() throws {
        let stream = try RelayMachine().open("x node relay --listen 0 --seconds 60")
        defer { stream.close() }
        var frames = RelayReader()
        func next() throws -> RelayFrame {
            while true {
                if let frame = try frames.next() { return frame }
                let bytes = try stream.read(deadline: Clocks.monotonic() + 10)
                try #require(!bytes.isEmpty, "the relay has ended")
                frames.append(bytes)
            }
        }
        let port = try #require(UInt16(String(decoding: try next().bytes, as: UTF8.self)))
        var ends: [Int32] = []
        defer { for number in ends { close(number) } }
        // The relay numbers them from 1; nobody answers any, as while the controller is still on its way.
        let sources: [UInt8] = [9] + (0..<24).map { _ in 1 } + (0..<24).map { _ in 2 }
        for (index, source) in sources.enumerated() {
            ends.append(try Self.connect(port, from: source))
            var frame = try next()
            if index == 48 {
                #expect(frame == RelayFrame(.closed, 2), "the oldest of 127.0.0.1")
                frame = try next()
            }
            let peer = Array("127.0.0.\(source)".utf8)
            #expect(frame == RelayFrame(.opened, UInt32(index + 1), peer))
        }
    }

    /// A connection to loopback from 127.0.0.`source`.
    private static func connect(_ port: UInt16, from source: UInt8) throws -> Int32 {
        let number = try check("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        func name(_ last: UInt8, _ port: UInt16) -> sockaddr_in {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = (0x7f00_0000 | UInt32(last)).bigEndian
            return name
        }
        func lend(_ name: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32)
            -> Int32
        {
            withUnsafePointer(to: name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        try check("bind") { lend(name(source, 0)) { bind(number, $0, $1) } }
        try check("connect") { lend(name(1, port)) { Glibc.connect(number, $0, $1) } }
        return number
    }

    @Test("a port that is taken is told")
    func taken() throws {
        let socket = try JoinSockets.listen(on: "0.0.0.0", port: 0)
        let port = JoinSockets.port(of: socket.number)
        #expect(throws: ControllerError.self) { try RelayRig(port: port) }
        _ = consume socket
    }
}

/// A relay, and a listener that takes its connections.
private final class RelayRig {
    let machine = RelayMachine()
    let relay: JoinRelay
    private let listener: JoinListener
    private let key: SecretBytes
    private let admitted = Admitted()

    final class Admitted: Sendable { let streams = Mutex<[JoinStream]>([]) }

    struct Keys: JoinKeys {
        let only: SecretBytes
        func key(of identity: [UInt8]) -> any SecretMaterial { only }
    }

    init(port: UInt16 = 0) throws {
        let key = try SecretBytes(random: 32)
        self.key = key
        let admitted = admitted
        let listener = try JoinListener(
            ListeningSockets(), keys: Keys(only: key),
            admitted: { stream in admitted.streams.withLock { $0.append(stream) } },
            refused: { _ in })
        self.listener = listener
        relay = try JoinRelay(
            on: Node(name: "bee", connect: .local), port: port, seconds: 120, carrier: machine,
            timeout: 10, taken: { listener.offer($0, from: $1) })
    }

    deinit {
        relay.stop()
        listener.stop()
    }

    func dial() throws -> JoinStream {
        try JoinDialler().dial("127.0.0.1", port: relay.port, as: [1], key: key, timeout: 10)
    }

    func next() -> JoinStream? {
        let deadline = Clocks.monotonic() + 10
        while Clocks.monotonic() < deadline {
            if let stream = admitted.streams.withLock({ $0.popLast() }) { return stream }
            Clocks.sleep(0.01)
        }
        return nil
    }
}

/// This machine as a node, with the program where it was built.
private final class RelayMachine: Carrier, CarrierSession {
    static let program =
        getenv("MESHPROOF_BIN").map { String(cString: $0) } ?? ".build/debug/meshproof"
    let description = "this machine"

    func connect(to node: Node, timeout: Double) throws(ControllerError) -> any CarrierSession {
        self
    }

    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult {
        throw ControllerError(.usage, "not here")
    }

    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult { throw ControllerError(.usage, "not here") }

    func open(_ command: String) throws(ControllerError) -> any ByteStream {
        let words = command.split(separator: " ").dropFirst().map(String.init)
        do {
            let stream = try ChildStream([Self.program] + words)
            opened.withLock { $0 = stream }
            return stream
        } catch { throw ControllerError(.unreachable, "\(error)") }
    }

    private let opened = Mutex<ChildStream?>(nil)

    /// The relay's process.
    var process: Int32? { opened.withLock { $0?.process } }

    func isGone(within seconds: Double) -> Bool {
        let deadline = Clocks.monotonic() + seconds
        while Clocks.monotonic() < deadline {
            guard let process else { return true }
            if kill(process, 0) != 0 { return true }
            Clocks.sleep(0.05)
        }
        return false
    }
}
