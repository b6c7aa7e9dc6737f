import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe

/// A folder of a test's own, gone with it.
final class TestFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/meshproof-probe-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Services of other users read what is in it.
        chmod(path, 0o755)
    }

    deinit { try? Files.removeTree(path) }

    func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws {
        try Files.replace("\(path)/\(name)", with: text.utf8, mode: mode)
    }
}

/// A real program that serves, killed and reaped with the test.
final class TestProgram {
    private let child: Child
    private let folder: TestFolder
    let port: UInt16

    /// Starts it and waits until it takes connections on the port.
    init(_ command: [String], port: UInt16, address: IPAddress = .loopbackIPv4) throws {
        folder = try TestFolder()
        self.port = port
        let log = "\(folder.path)/log"
        let output = Descriptor(owning: try check("creat") { creat(log, 0o600) })
        // A pipe that nobody writes to: openssl s_server ends when its input does.
        let input = try IO.pipe()
        child = try Child(
            command, input: input.reader.number, output: output.number, errors: output.number)
        holder = input.split().writer
        let deadline = Clocks.monotonic() + 60
        while !Loopback.takesConnections(SocketEndpoint(address, port)) {
            let hasEnded = try child.wait(milliseconds: 20) != nil
            if hasEnded || Clocks.monotonic() > deadline {
                let words = String(decoding: (try? Files.read(log)) ?? [], as: UTF8.self)
                throw SystemError("start", command[0], errno: 0, detail: words)
            }
        }
    }

    private let holder: Int32

    deinit {
        child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 5_000)
        close(holder)
    }
}

/// Ports and connections on this machine.
enum Loopback {
    static func socket(_ family: Int32 = AF_INET) throws -> Descriptor {
        Descriptor(
            owning: try check("socket") {
                Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
    }

    static func withName<Result>(
        _ place: SocketEndpoint, _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result
    ) -> Result {
        let port = [UInt8(place.port >> 8), UInt8(place.port & 255)]
        let isIPv4 = place.address.family == .ipv4
        let bytes =
            [UInt8(isIPv4 ? AF_INET : AF_INET6), 0] + port
            + (isIPv4
                ? place.address.bytes + [UInt8](repeating: 0, count: 8)
                : [0, 0, 0, 0] + place.address.bytes + [0, 0, 0, 0])
        return bytes.withUnsafeBytes {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }

    /// Binds to a port that the kernel chooses.
    static func bindFree(_ number: Int32) throws -> UInt16 {
        try check("bind") {
            withName(SocketEndpoint(.loopbackIPv4, 0)) { bind(number, $0, $1) }
        }
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try check("getsockname") {
            withUnsafeMutableBytes(of: &name) {
                getsockname(number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
            }
        }
        return UInt16(bigEndian: name.sin_port)
    }

    static func freePort() throws -> UInt16 {
        let socket = try socket()
        return try bindFree(socket.number)
    }

    static func takesConnections(_ place: SocketEndpoint) -> Bool {
        let family = place.address.family == .ipv4 ? AF_INET : AF_INET6
        guard let socket = try? socket(family) else { return false }
        return withName(place) { connect(socket.number, $0, $1) } == 0
    }
}

/// A server written for a test: what it does with a connection is a closure.
final class TinyServer: Sendable {
    let end: TunnelEnd
    private let listener: Descriptor
    private let worker: Worker

    init(unixPath: String? = nil, _ serve: @escaping @Sendable (Int32) -> Void) throws {
        listener = try Loopback.socket(unixPath == nil ? AF_INET : AF_UNIX)
        let number = listener.number
        if let unixPath {
            let bytes = [UInt8(AF_UNIX), 0] + Array(unixPath.utf8) + [0]
            try check("bind") {
                bytes.withUnsafeBytes {
                    bind(
                        number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                        socklen_t($0.count))
                }
            }
            end = .unix(unixPath)
        } else {
            end = .tcp(SocketEndpoint(.loopbackIPv4, try Loopback.bindFree(number)))
        }
        try check("listen") { listen(number, 512) }
        worker = try Worker("tiny") {
            while true {
                let caller = accept(number, nil, nil)
                if caller < 0 { return }
                let made = try? Worker("tiny", stackBytes: 256 << 10) {
                    serve(caller)
                    close(caller)
                }
                if made == nil { close(caller) }
            }
        }
    }

    deinit {
        shutdown(listener.number, Int32(SHUT_RDWR))
        worker.join()
    }

    /// Sends, whoever reads; false once nobody does.
    static func send(_ number: Int32, _ bytes: [UInt8]) -> Bool {
        Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// What comes next, or nothing within 20 s.
    static func read(_ number: Int32) -> [UInt8] {
        guard (try? IO.wait(number, milliseconds: 20_000)) == true else { return [] }
        return (try? IO.read(number)) ?? []
    }
}

/// A text like those of a run.
let testCanary = "mp-canary-0123456789abcdef"

/// Puts one probe to this machine.
func probe(
    _ end: TunnelEnd, _ question: ProbeOrder.Question, purpose: ProbeOrder.Purpose = .edge,
    canary: String = testCanary, connections: Int = 1, timeout: Double = 20,
    speaks: ServiceKind.WireProtocol? = nil, tlsFolder: String = ProbeRunner.tlsFolder,
    keys: @escaping ProbeRunner.KeyFinder = { _ in nil }
) throws -> ProbeFact {
    let order = ProbeOrder(
        id: "1", edge: "a->b", purpose: purpose, target: end, question: question, canary: canary,
        connections: connections, timeout: timeout, speaks: speaks)
    let facts = ProbeRunner.run([order], vantage: "a", keys: keys, tlsFolder: tlsFolder)
    guard let fact = facts.first, facts.count == 1 else {
        throw SystemError("probe", "", errno: 0, detail: "\(facts.count) facts for one order")
    }
    return fact
}

func loopback(_ port: UInt16) -> TunnelEnd { .tcp(SocketEndpoint(.loopbackIPv4, port)) }
