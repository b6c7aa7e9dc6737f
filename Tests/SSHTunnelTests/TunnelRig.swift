import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel
import Synchronization

/// A tunnel to a real sshd with a service behind it.
final class TunnelRig {
    let server: TestServer
    let service: TestService
    let tunnel: Tunnel
    let desired: DesiredTunnel

    var port: UInt16 {
        guard case .tcp(let end) = desired.entrances[0] else { return 0 }
        return end.port
    }

    init(
        extra: String = "", service kind: TestService.Kind = .echo, unixTarget: Bool = false,
        entrances: [TunnelEnd]? = nil, identity: String = "client", awaitUp: Bool = true,
        adapt: (inout DesiredTunnel, TestServer) throws -> Void = { _, _ in }
    ) throws {
        server = try TestServer(extra: extra)
        service = try TestService(kind, unixPath: unixTarget ? "\(server.folder)/service" : nil)
        let entrance = TunnelEnd.tcp(try TunnelRig.loopback(TestServer.freePort()))
        var desired = DesiredTunnel(
            edge: "a->b", node: "b", way: .underlay,
            server: Endpoint(host: "127.0.0.1", port: server.port), user: TestServer.userName,
            hostKeys: [try server.key("host_ed25519")], clientKey: try server.key(identity),
            entrances: entrances ?? [entrance], target: service.end)
        try adapt(&desired, server)
        self.desired = desired
        tunnel = try Tunnel(desired, identityFile: "\(server.folder)/\(identity)")
        if awaitUp { try awaitState(.up) }
    }

    deinit {
        tunnel.stop(drain: 0)
        service.stop()
        server.stop()
    }

    static func loopback(_ port: UInt16) throws -> SocketEndpoint {
        SocketEndpoint(IPAddress(ipv4: 0x7f00_0001), port)
    }

    /// Waits until the tunnel is as `condition` wants it.
    @discardableResult
    func awaitStatus(
        seconds: Double = 30, _ what: String, _ condition: (ObservedTunnel) -> Bool
    ) throws -> ObservedTunnel {
        let end = Clocks.monotonic() + seconds
        while true {
            let status = tunnel.status()
            if condition(status) { return status }
            if Clocks.monotonic() > end {
                throw SystemError("await", what, errno: 0, detail: "\(status)")
            }
            Clocks.sleep(0.01)
        }
    }

    @discardableResult
    func awaitState(_ state: ObservedTunnel.State, seconds: Double = 30) throws -> ObservedTunnel {
        try awaitStatus(seconds: seconds, "\(state)") { $0.state == state }
    }

    func connect() throws -> TestSocket { try TestSocket(port: port) }
}

extension TestServer {
    /// One of the server's or a client's public keys.
    func key(_ name: String) throws -> PublicKey {
        let text = String(decoding: try Files.read("\(folder)/\(name).pub"), as: UTF8.self)
        guard let key = PublicKey(openSSHText: text) else {
            throw SystemError("read", name, errno: 0, detail: "no Ed25519 key")
        }
        return key
    }
}

/// A blocking stream socket of an application, with a limit on every wait.
final class TestSocket: Sendable {
    let descriptor: Descriptor
    var number: Int32 { descriptor.number }

    init(owning number: Int32) {
        descriptor = Descriptor(owning: number)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(number, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    convenience init(port: UInt16, host: IPAddress = IPAddress(ipv4: 0x7f00_0001)) throws {
        let family = host.family == .ipv4 ? AF_INET : AF_INET6
        let number = try check("socket") {
            socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        self.init(owning: number)
        let name = TestName(SocketEndpoint(host, port))
        try check("connect") { name.with { Glibc.connect(number, $0, $1) } }
    }

    convenience init(path: String) throws {
        let number = try check("socket") {
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        self.init(owning: number)
        let name = TestName(path: path)
        try check("connect", path) { name.with { Glibc.connect(number, $0, $1) } }
    }

    func send(_ bytes: [UInt8]) throws { try IO.writeAll(number, bytes) }

    func endSending() { shutdown(number, Int32(SHUT_WR)) }

    /// Makes the close that follows a reset.
    func resetOnClose() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// Exactly `count` bytes, fewer only at the end.
    func receive(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let chunk = try IO.read(number, limit: min(65_536, count - bytes.count))
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    func receiveAll() throws -> [UInt8] { try receive(.max) }

    /// Sends and takes back at the same time, so that neither side's buffers have to hold it all.
    func exchange(_ bytes: [UInt8]) throws -> [UInt8] {
        let sender = try Worker("sender") { [self] in
            try? send(bytes)
            endSending()
        }
        defer { sender.join() }
        return try receiveAll()
    }
}

/// A name for bind and connect.
struct TestName {
    private var bytes: [UInt8] = []

    init(_ place: SocketEndpoint) {
        let port = [UInt8(place.port >> 8), UInt8(place.port & 255)]
        if place.address.family == .ipv4 {
            bytes =
                [UInt8(AF_INET), 0] + port + place.address.bytes + [UInt8](repeating: 0, count: 8)
        } else {
            bytes =
                [UInt8(AF_INET6), 0] + port + [0, 0, 0, 0] + place.address.bytes + [0, 0, 0, 0]
        }
    }

    init(path: String) { bytes = [UInt8(AF_UNIX), 0] + Array(path.utf8) + [0] }

    func with<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}

/// What is behind the tunnel: a small real service, a thread a connection.
final class TestService: Sendable {
    /// What it does with a connection.
    enum Kind: Sendable {
        /// Sends back what comes, and ends when it ends.
        case echo
        /// Reads to the end and then says how much it was, in decimal.
        case count
        /// Sends so many bytes and ends.
        case source(Int)
        /// Sends so many bytes and resets.
        case reset(after: Int)
    }

    let end: TunnelEnd
    private let listener: Mutex<Descriptor?>
    private let worker: Worker

    init(_ kind: Kind, unixPath: String? = nil) throws {
        let family = unixPath == nil ? AF_INET : AF_UNIX
        let socket = Descriptor(
            owning: try check("socket") {
                Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        let number = socket.number
        if let unixPath {
            let name = TestName(path: unixPath)
            try check("bind", unixPath) { name.with { bind(number, $0, $1) } }
            end = .unix(unixPath)
        } else {
            end = .tcp(try TunnelRig.loopback(TestServer.bindToFreePort(number)))
        }
        try check("listen") { listen(number, 1024) }
        worker = try Worker("service") {
            while true {
                let caller = accept(number, nil, nil)
                if caller < 0 { return }
                let socket = TestSocket(owning: caller)
                _ = try? Worker("service", stackBytes: 256 << 10) { serve(socket, kind) }
            }
        }
        listener = Mutex(.some(socket))
    }

    /// Listens no more; what is open goes on.
    func stop() {
        listener.withLock { listener in
            if let number = listener?.number { shutdown(number, Int32(SHUT_RDWR)) }
            worker.join()
            listener = nil
        }
    }
}

private func serve(_ socket: TestSocket, _ kind: TestService.Kind) {
    switch kind {
    case .echo:
        while let bytes = try? IO.read(socket.number), !bytes.isEmpty {
            guard (try? socket.send(bytes)) != nil else { return }
        }
        socket.endSending()
        _ = try? IO.read(socket.number)
    case .count:
        var total = 0
        while let bytes = try? IO.read(socket.number), !bytes.isEmpty { total += bytes.count }
        try? socket.send(Array(String(total).utf8))
    case .source(let count):
        try? socket.send(pattern(count, seed: 7))
    case .reset(let count):
        try? socket.send(pattern(count, seed: 7))
        _ = try? IO.read(socket.number)
        socket.resetOnClose()
    }
}

/// Bytes in which nothing that is lost, doubled or out of place goes unseen.
func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        for index in 0..<count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            buffer[index] = UInt8(truncatingIfNeeded: state >> 24)
        }
        initialized = count
    }
}
