import CLinux
import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel
import Testing

/// Minutes long and alone on the machine: `MESHPROOF_SOAK=1`, as root where a link is cut.
@Suite(
    "A tunnel with 200 connections outlives every fault, loses nothing, and leaves nothing behind",
    .serialized, .enabled(if: getenv("MESHPROOF_SOAK") != nil))
struct TunnelSoakTests {
    private static let connections = 200

    @Test("1 GiB comes back as it was sent, with keys made anew all the time")
    func gibibyte() throws {
        let rig = try TunnelRig(extra: "RekeyLimit 16M")
        let port = rig.port
        let failures = try fanOut(Array(0..<32), limit: 8, name: "app") { number -> String? in
            do {
                let bytes = pattern(32 << 20, seed: UInt64(number))
                return try TestSocket(port: port).exchange(bytes) == bytes ? nil : "differs"
            } catch { return "\(error)" }
        }
        #expect(failures.compactMap { $0 } == [])
        let status = try rig.awaitStatus("closed") { $0.connections == 0 }
        #expect(status.sent == 1 << 30 && status.received == 1 << 30 && status.reconnects == 0)
    }

    @Test("10,000 connections, one after the other, leave no descriptor")
    func sequence() throws {
        let rig = try TunnelRig()
        let before = try settled("fd")
        for number in 0..<10_000 {
            let bytes = [UInt8(number & 255), UInt8(number >> 8)]
            guard try rig.connect().exchange(bytes) == bytes else {
                Issue.record("connection \(number) differs")
                return
            }
        }
        try rig.awaitStatus("closed") { $0.connections == 0 }
        #expect(try settled("fd") <= before)
        #expect(rig.tunnel.status().reconnects == 0)
    }

    @Test(
        "The session's sshd or all of sshd is killed under 200 connections",
        arguments: [true, false])
    func killed(sessionOnly: Bool) throws {
        let rig = try TunnelRig()
        _ = try rig.connect().exchange([1])
        let (files, threads) = (try settled("fd"), try settled("task"))
        for _ in 0..<3 {
            let sockets = try open(rig)
            let reconnects = rig.tunnel.status().reconnects
            if sessionOnly {
                rig.server.killSessions()
            } else {
                rig.server.crash()
                try rig.server.revive()
            }
            try expectBroken(sockets)
            try rig.awaitStatus("again") { $0.reconnects > reconnects && $0.state == .up }
            #expect(try rig.connect().exchange([2, 3]) == [2, 3])
        }
        #expect(try settled("fd") <= files)
        #expect(try settled("task") <= threads)
    }

    @Test("The service is restarted under 200 connections: theirs end, the session stays")
    func serviceRestarted() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/service"
        let first = try TestService(.echo, unixPath: path)
        let rig = try TunnelRig { desired, _ in desired.target = .unix(path) }
        let sockets = try open(rig)
        first.stop()
        unlink(path)
        let error = #expect(throws: SystemError.self) { try rig.connect().receive(1) }
        #expect(error?.errno == ECONNRESET)
        let second = try TestService(.echo, unixPath: path)
        #expect(try rig.connect().exchange([2, 3]) == [2, 3])
        // What was open before goes on with whom it was opened to.
        for (number, socket) in sockets.enumerated() {
            #expect(try socket.exchange([UInt8(number & 255)]) == [UInt8(number & 255)])
        }
        #expect(rig.tunnel.status().reconnects == 0)
        second.stop()
    }

    @Test("200 readers that do not read hold memory within bounds, and nobody up")
    func filledReaders() throws {
        let rig = try TunnelRig(service: .source(4 << 20))
        let before = try residentBytes()
        var slow: [TestSocket] = []
        for _ in 0..<Self.connections { slow.append(try rig.connect()) }
        #expect(try rig.connect().receiveAll() == pattern(4 << 20, seed: 7))
        let grown = try residentBytes() - before
        // libssh's 1.92 MB each, and as much again for its doubling buffers; the service's own copies come on top here.
        #expect(grown < Self.connections * (4 << 20) + Self.connections * (5 << 20))
        for socket in slow { #expect(try socket.receiveAll() == pattern(4 << 20, seed: 7)) }
    }

    @Test("The link is down for 60 s under 200 connections", .enabled(if: geteuid() == 0))
    func linkDown() throws {
        let link = try TestLink()
        let server = try TestServer(address: link.far, in: link.namespace)
        let service = try link.inside { try TestService(.echo) }
        let port = try TestServer.freePort()
        let desired = DesiredTunnel(
            edge: "a->b", node: "b", way: .underlay,
            server: Endpoint(host: link.far, port: server.port), user: TestServer.userName,
            hostKeys: [try server.key("host_ed25519")], clientKey: try server.key("client"),
            entrances: [.tcp(try TunnelRig.loopback(port))], target: service.end)
        let tunnel = try Tunnel(desired, identityFile: "\(server.folder)/client")
        defer {
            tunnel.stop(drain: 0)
            service.stop()
            server.stop()
        }
        func wait(_ seconds: Double, _ condition: (ObservedTunnel) -> Bool) -> Double? {
            let start = Clocks.monotonic()
            while Clocks.monotonic() - start < seconds {
                if condition(tunnel.status()) { return Clocks.monotonic() - start }
                Clocks.sleep(0.05)
            }
            return nil
        }
        _ = try #require(wait(20) { $0.state == .up }, "\(tunnel.status())")
        let files = try settled("fd")
        var sockets: [TestSocket] = []
        for _ in 0..<Self.connections {
            let socket = try TestSocket(port: port)
            try socket.send([1])
            #expect(try socket.receive(1) == [1])
            sockets.append(socket)
        }
        // Half of them have bytes under way when the link goes.
        for socket in sockets.prefix(Self.connections / 2) {
            try socket.send(pattern(50_000, seed: 1))
        }
        try link.set(up: false)
        let noticed = try #require(wait(16) { $0.state == .connecting })
        try expectBroken(sockets)
        sockets = []
        #expect(throws: SystemError.self) { try TestSocket(port: port).receive(1) }
        Clocks.sleep(60 - noticed)
        try link.set(up: true)
        let back = try #require(wait(20) { $0.state == .up })
        #expect(try TestSocket(port: port).exchange([2, 3]) == [2, 3])
        #expect(try settled("fd") <= files)
        print(
            "the loss was noticed after \(noticed) s, and the tunnel was back \(back) s after the link"
        )
    }

    // MARK: Parts

    private func open(_ rig: TunnelRig) throws -> [TestSocket] {
        try (0..<Self.connections).map { _ in
            let socket = try rig.connect()
            try socket.send([1])
            #expect(try socket.receive(1) == [1])
            return socket
        }
    }

    /// Every one ends with an error, none hangs, and none ends as if the service had ended it.
    private func expectBroken(_ sockets: [TestSocket]) throws {
        for socket in sockets {
            let error = #expect(throws: SystemError.self) {
                while try !socket.receive(65_536).isEmpty {}
            }
            #expect(error?.errno == ECONNRESET)
        }
    }

    /// How many there are once they no longer get fewer.
    private func settled(_ what: String) throws -> Int {
        var least = Int.max
        while case let now = try Files.list("/proc/self/\(what)").count, now < least {
            least = now
            Clocks.sleep(0.5)
        }
        return least
    }

    private func residentBytes() throws -> Int {
        let fields = String(decoding: try Files.read("/proc/self/statm"), as: UTF8.self).split(
            separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4096
    }
}

/// A namespace behind a veth pair, with documentation addresses and no other way out.
private final class TestLink {
    let namespace = "mptunnel\(getpid())"
    let far = "198.51.100.250"
    private var near: String { "mpt\(getpid())" }

    init() throws {
        for words in [
            ["netns", "add", namespace],
            ["link", "add", near, "type", "veth", "peer", "name", "far0"],
            ["link", "set", "far0", "netns", namespace],
            ["addr", "add", "198.51.100.249/30", "dev", near], ["link", "set", near, "up"],
            ["-n", namespace, "addr", "add", "\(far)/30", "dev", "far0"],
            ["-n", namespace, "link", "set", "far0", "up"],
            ["-n", namespace, "link", "set", "lo", "up"],
        ] { try ip(words) }
    }

    deinit { try? ip(["netns", "del", namespace]) }

    private func ip(_ words: [String]) throws {
        let result = try Child.run(["ip"] + words)
        if !result.status.isSuccess {
            throw SystemError(
                "ip", words.joined(separator: " "), errno: 0, detail: result.errorText)
        }
    }

    /// Cuts the link at its far end, so that this side sees only silence.
    func set(up: Bool) throws {
        try ip(["-n", namespace, "link", "set", "far0", up ? "up" : "down"])
    }

    /// Runs `body` on a thread inside the namespace; threads that it starts stay there.
    func inside(_ body: @escaping @Sendable () throws -> TestService) throws -> TestService {
        let path = "/run/netns/\(namespace)"
        let results = try fanOut([0], limit: 1, name: "inside") {
            _ -> Result<TestService, any Error> in
            Result {
                let file = Descriptor(
                    owning: try check("open", path) { cl_open(path, O_RDONLY | O_CLOEXEC, 0) })
                try check("setns", path) { cl_setns(file.number, Int32(CL_NEWNET)) }
                return try body()
            }
        }
        return try results[0].get()
    }
}
