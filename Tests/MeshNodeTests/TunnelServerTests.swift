import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import Testing

@Suite(
    "The tunnel server on a real sshd", .serialized,
    .enabled(if: geteuid() == 0, "makes users and needs root"))
struct TunnelServerTests {
    @Test("lets a granted key reach its targets on both families, and reports itself as wanted")
    func granted() throws {
        let (box, four, six) = (try TunnelBox(), try EchoService(), try EchoService(ipv6: true))
        #expect(box.server.observe(nil) == nil)
        let wanted = try box.wanted(["edge": [four.end, six.end]])
        let before = try #require(box.server.observe(wanted))
        #expect(before.process == nil && !before.differences.isEmpty)
        try box.server.set(wanted)
        let after = try #require(box.server.observe(wanted))
        #expect(after.differences.isEmpty && after.problem == nil)
        #expect(after.process != nil && after.sessions == 0)
        #expect(try box.echo("edge", "127.0.0.1:\(four.port)") == "hello")
        #expect(try box.echo("edge", "[::1]:\(six.port)") == "hello")
        try box.server.set(wanted)
        #expect(box.server.observe(wanted)?.process == after.process)
    }

    @Test("has what a session of thousands of connections needs, and sends small answers at once")
    func limits() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        let tunnel = try OpenTunnel(box.command("edge", ["-W", "127.0.0.1:\(service.port)"]))
        #expect(tunnel.exchange("one") == "one")
        #expect(box.server.observe(wanted)?.sessions == 1)
        let session = try #require(
            try Files.list("/proc").compactMap { Int32($0) }.first {
                ProcessLook.root($0) == "\(box.folders.tunnels)/jail"
            })
        #expect(try ProcessLook.option(TCP_NODELAY, ofPort: box.port, in: session) == 1)
        let limits = String(decoding: try Files.read("/proc/\(session)/limits"), as: UTF8.self)
        let line = try #require(
            limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        let soft = try #require(line.split(separator: " ").dropFirst(3).first.flatMap { Int($0) })
        var own = rlimit()
        try check("getrlimit") { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &own) }
        // Where even root may not raise the hard limit, that is all there is to be had.
        #expect(soft >= min(65_536, Int(own.rlim_max)))
    }

    @Test("refuses everything that is not a connection to a granted target")
    func refusals() throws {
        let (box, service, other) = (try TunnelBox(), try EchoService(), try EchoService())
        try box.server.set(try box.wanted(["edge": [service.end]]))
        // The way is open, so what fails below does not fail for another reason.
        #expect(try box.echo("edge", "127.0.0.1:\(service.port)") == "hello")
        let marker = "\(box.root)/marker"
        var refused: [(String, [String], [String], String)] = [
            ("a shell", ["-T"], [], "open failed"),
            ("a command", [], ["touch", marker], "open failed"),
            ("a subsystem", ["-s"], ["sftp"], "open failed"),
            ("a terminal", ["-tt"], [], "open failed"),
            ("the agent", ["-A"], ["true"], "open failed"),
            ("X11", ["-X", "-Y"], ["true"], "open failed"),
            (
                "a remote forward", ["-N", "-R", "127.0.0.1:0:127.0.0.1:\(service.port)"], [],
                "remote port forwarding failed"
            ),
            (
                "a remote socket", ["-N", "-R", "\(box.root)/back:127.0.0.1:\(service.port)"], [],
                "remote port forwarding failed"
            ),
            (
                "a second port", ["-W", "127.0.0.1:\(other.port)"], [],
                "administratively prohibited"
            ),
            (
                "the same port by another name", ["-W", "localhost:\(service.port)"], [],
                "administratively prohibited"
            ),
            (
                "another host", ["-W", "192.0.2.1:\(service.port)"], [],
                "administratively prohibited"
            ),
        ]
        // A network device at both ends. ssh makes its own before it asks, and takes it away with itself.
        if Files.exists("/dev/net/tun") {
            refused.append(
                ("a tun device", ["-N", "-w", "any:any"], [], "Tunnel forwarding failed"))
        }
        for (what, arguments, command, words) in refused {
            let result = try box.ssh(
                "edge", arguments, command, input: Array("touch \(marker)\n".utf8))
            #expect(!result.status.isSuccess, "\(what)")
            #expect(result.errorText.contains(words), "\(what): \(result.errorText)")
            #expect(result.output.isEmpty, "\(what)")
        }
        #expect(!Files.exists(marker) && !Files.exists("\(box.root)/back"))
    }

    @Test("lets a dynamic forward reach nothing but the granted target")
    func dynamic() throws {
        let (box, service, other) = (try TunnelBox(), try EchoService(), try EchoService())
        try box.server.set(try box.wanted(["edge": [service.end]]))
        let local = try EchoService().port
        let tunnel = try OpenTunnel(box.command("edge", ["-N", "-D", "127.0.0.1:\(local)"]))
        // SOCKS4: version 4, connect, port, address, no user. *Source:* the SOCKS 4 protocol; 90 is granted.
        func ask(_ port: UInt16) throws -> UInt8? {
            let socket = try Loopback.connect(local)
            try IO.writeAll(
                socket.number, [4, 1, UInt8(port >> 8), UInt8(port & 255), 127, 0, 0, 1, 0])
            let answer = try IO.read(socket.number)
            guard answer.count >= 2, answer[1] == 90 else { return answer.dropFirst().first }
            // OpenSSH says yes before the server has; what counts is whether anything comes through.
            try IO.writeAll(socket.number, [7])
            return try IO.read(socket.number).first
        }
        #expect(try ask(service.port) == 7)
        #expect(try ask(other.port) != 7)
        withExtendedLifetime(tunnel) {}
    }

    @Test("refuses an unknown key, another user and a password")
    func strangers() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        try box.server.set(try box.wanted(["edge": [service.end]]))
        _ = try box.key("stranger")
        let target = "127.0.0.1:\(service.port)"
        let unknown = try box.ssh("stranger", ["-W", target])
        #expect(unknown.errorText.contains("Permission denied (publickey)"))
        let root = try box.ssh("edge", ["-W", target, "-l", "root"])
        #expect(root.errorText.contains("Permission denied (publickey)"))
        let password = try box.ssh(
            "stranger",
            ["-W", target, "-o", "PreferredAuthentications=password,keyboard-interactive"])
        #expect(password.errorText.contains("Permission denied (publickey)"))
    }

    @Test("goes by modern algorithms only")
    func algorithms() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        try box.server.set(try box.wanted(["edge": [service.end]]))
        let target = "127.0.0.1:\(service.port)"
        for weak in [
            "KexAlgorithms=diffie-hellman-group14-sha256", "KexAlgorithms=ecdh-sha2-nistp256",
            "Ciphers=aes128-ctr", "HostKeyAlgorithms=rsa-sha2-512",
        ] {
            let result = try box.ssh("edge", ["-W", target, "-o", weak])
            #expect(result.errorText.contains("no matching"), "\(weak): \(result.errorText)")
        }
        for good in [
            "KexAlgorithms=sntrup761x25519-sha512@openssh.com", "KexAlgorithms=curve25519-sha256",
            "Ciphers=aes256-gcm@openssh.com", "Ciphers=chacha20-poly1305@openssh.com",
        ] {
            let tunnel = try OpenTunnel(box.command("edge", ["-W", target, "-o", good]))
            #expect(tunnel.exchange("x") == "x", "\(good)")
        }
    }

    @Test("reaches a granted unix socket, and no other one of the host")
    func sockets() throws {
        let box = try TunnelBox()
        for name in ["granted", "other"] {
            try Files.makeFolder("\(box.root)/\(name)", mode: 0o755)
        }
        let granted = try EchoService(path: "\(box.root)/granted/s")
        let beside = try EchoService(path: "\(box.root)/granted/beside")
        let tcp = try EchoService()
        let other = try EchoService(path: "\(box.root)/other/s")
        let wanted = try box.wanted(["edge": [granted.end], "gpu": [tcp.end]])
        try box.server.set(wanted)
        #expect(box.server.observe(wanted)?.differences == [])
        func reach(_ path: String, by name: String = "edge") throws -> String? {
            let local = "\(box.root)/near-\(UInt32.random(in: .min ... .max))"
            let tunnel = try OpenTunnel(box.command(name, ["-N", "-L", "\(local):\(path)"]))
            return try withExtendedLifetime(tunnel) { try Loopback.echo(path: local) }
        }
        #expect(try reach("\(box.root)/granted/s") == "hello")
        #expect(try reach("\(box.root)/other/s") == nil)
        #expect(try reach("\(box.root)/granted/../other/s") == nil)
        #expect(try reach("\(box.root)/granted/beside") == nil)
        // Each key has its own targets, of either kind.
        #expect(try box.echo("edge", "127.0.0.1:\(tcp.port)") == nil)
        #expect(try box.echo("gpu", "127.0.0.1:\(tcp.port)") == "hello")
        #expect(try reach("\(box.root)/granted/s", by: "gpu") == nil)
        // Without the grant nothing of it is left.
        try box.server.set(try box.wanted([:]))
        let mounts = String(decoding: try Files.read("/proc/self/mountinfo"), as: UTF8.self)
        #expect(!mounts.contains(box.folders.tunnels))
        #expect(Files.exists("\(box.root)/granted/s"))
        withExtendedLifetime((other, beside)) {}
    }

    @Test("ends the open sessions of a key that is taken away, and of no other")
    func revoked() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let target = "127.0.0.1:\(service.port)"
        try box.server.set(try box.wanted(["edge": [service.end], "gpu": [service.end]]))
        let gone = try OpenTunnel(box.command("edge", ["-W", target]))
        let stays = try OpenTunnel(box.command("gpu", ["-W", target]))
        #expect(gone.exchange("a") == "a" && stays.exchange("b") == "b")
        let wanted = try box.wanted(["gpu": [service.end]])
        let seen = try #require(box.server.observe(wanted))
        #expect(seen.sessions == 2)
        #expect(seen.differences.contains { $0.contains("1 sessions of keys") })
        #expect(seen.differences.contains("a key of edge is let in that should not be"))
        try box.server.set(wanted)
        #expect(gone.awaitEnd())
        #expect(stays.exchange("c") == "c")
        #expect(box.server.observe(wanted)?.process == seen.process)
        #expect(box.server.observe(wanted)?.differences == [])
        #expect(try box.echo("edge", target) == nil)
    }

    @Test(
        "ends the sessions of a key that may do less than before, and lets it come back for the rest"
    )
    func narrowed() throws {
        let (box, one, two) = (try TunnelBox(), try EchoService(), try EchoService())
        try box.server.set(try box.wanted(["edge": [one.end, two.end]]))
        let open = try OpenTunnel(box.command("edge", ["-W", "127.0.0.1:\(two.port)"]))
        #expect(open.exchange("a") == "a")
        try box.server.set(try box.wanted(["edge": [one.end]]))
        #expect(open.awaitEnd())
        #expect(try box.echo("edge", "127.0.0.1:\(one.port)") == "hello")
        #expect(try box.echo("edge", "127.0.0.1:\(two.port)") == nil)
    }

    @Test("keeps open sessions when keys are added, the port changes or the listener dies")
    func kept() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let target = "127.0.0.1:\(service.port)"
        var wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        let open = try OpenTunnel(box.command("edge", ["-W", target]))
        #expect(open.exchange("a") == "a")
        wanted = try box.wanted(["edge": [service.end], "gpu": [service.end]])
        try box.server.set(wanted)
        #expect(open.exchange("b") == "b")
        #expect(try box.echo("gpu", target) == "hello")

        let listener = try #require(box.server.observe(wanted)?.process)
        kill(listener, SIGKILL)
        #expect(comes { box.server.observe(wanted)?.process == nil })
        #expect(open.exchange("c") == "c")
        box.server.tend()
        let next = try #require(box.server.observe(wanted)?.process)
        #expect(next != listener)
        #expect(open.exchange("d") == "d")
        #expect(try box.echo("gpu", target) == "hello")

        wanted = try box.wanted(
            ["edge": [service.end], "gpu": [service.end]], port: try EchoService().port)
        try box.server.set(wanted)
        #expect(open.exchange("e") == "e")
        #expect(box.server.observe(wanted)?.differences == [])
        #expect(try box.echo("gpu", target) == nil)
    }

    @Test("says that sshd is missing, and how to mend that")
    func missing() throws {
        let box = try TunnelBox(sshd: "/nonexistent/sshd")
        let wanted = try box.wanted([:])
        #expect(throws: NodeError.self) { try box.server.set(wanted) }
        let problem = try #require(box.server.observe(wanted)?.problem)
        #expect(problem.code == .serverMissing)
        #expect(problem.fix.contains("openssh-server"))
        #expect(box.server.leftovers().isEmpty)
    }

    @Test("says which program has its port, and leaves the server that runs on another alone")
    func taken() throws {
        let (box, service, squatter) = (try TunnelBox(), try EchoService(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        let process = box.server.observe(wanted)?.process
        let moved = try box.wanted(["edge": [service.end]], port: squatter.port)
        let error = #expect(throws: NodeError.self) { try box.server.set(moved) }
        #expect(error?.message.contains("(process \(getpid()))") == true)
        let problem = try #require(box.server.observe(moved)?.problem)
        #expect(problem.code == .serverPortTaken)
        #expect(box.server.observe(wanted)?.process == process)
        #expect(try box.echo("edge", "127.0.0.1:\(service.port)") == "hello")
    }

    @Test("leaves the server alone where sshd refuses the new configuration")
    func badConfiguration() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        var other = wanted
        other.hostKey = try box.key("edge")
        let error = #expect(throws: NodeError.self) { try box.server.set(other) }
        #expect(error?.message.contains("host key") == true)
        // The private key behind it becomes one that sshd cannot read.
        other = wanted
        other.addresses.append(IPAddress(family: .ipv6, high: 0, low: 1))
        let file = box.folders.hostKey(generation: 0)
        let key = try Files.read(file)
        try check("chmod") { chmod(file, 0o604) }
        #expect(throws: NodeError.self) { try box.server.set(other) }
        try check("chmod") { chmod(file, 0o600) }
        #expect(try Files.read(file) == key)
        #expect(box.server.observe(wanted)?.differences == [])
        #expect(try box.echo("edge", "127.0.0.1:\(service.port)") == "hello")
    }

    @Test("does not take an account for its own that it did not make")
    func foreignUser() throws {
        let box = try TunnelBox()
        let made = try Child.run(["useradd", "--system", "--no-create-home", box.user])
        try #require(made.status.isSuccess, "\(made.errorText)")
        defer { _ = try? Child.run(["userdel", box.user]) }
        let wanted = try box.wanted([:])
        let error = #expect(throws: NodeError.self) { try box.server.set(wanted) }
        #expect(error?.message.contains("is not meshproof's") == true)
        _ = try box.server.remove()
        #expect(getpwnam(box.user) != nil)
    }

    @Test("removes everything: sessions, processes, user, files and mounts; other services stay")
    func removed() throws {
        let box = try TunnelBox()
        try Files.makeFolder("\(box.root)/sockets", mode: 0o755)
        let (service, socket) = (
            try EchoService(), try EchoService(path: "\(box.root)/sockets/s")
        )
        try box.server.set(try box.wanted(["edge": [service.end, socket.end]]))
        let open = try OpenTunnel(box.command("edge", ["-W", "127.0.0.1:\(service.port)"]))
        #expect(open.exchange("a") == "a")
        #expect(box.server.leftovers().count == 5)
        let gone = try box.server.remove()
        #expect(open.awaitEnd())
        #expect(
            gone == [
                "sshd of the tunnels", "1 tunnel sessions",
                "mount \(box.folders.tunnels)/jail\(box.root)/sockets", "user \(box.user)",
                "folder \(box.folders.tunnels)",
            ])
        #expect(box.server.leftovers().isEmpty && box.server.observe(nil) == nil)
        #expect(!Files.exists("\(box.root)/run/meshproof-tunnels"))
        #expect(Files.exists("\(box.root)/sockets/s"))
        #expect(try box.server.remove().isEmpty)
    }

    @Test("ends sessions whose key it cannot tell when rights are taken away")
    func forgotten() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        try box.server.set(try box.wanted(["edge": [service.end], "gpu": [service.end]]))
        let open = try OpenTunnel(box.command("edge", ["-W", "127.0.0.1:\(service.port)"]))
        #expect(open.exchange("a") == "a")
        try check("truncate") { truncate("\(box.folders.tunnels)/log", 0) }
        try box.server.set(try box.wanted(["gpu": [service.end]]))
        #expect(open.awaitEnd())
    }

    @Test("lets a key in only from where it may come from")
    func sources() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let target = "127.0.0.1:\(service.port)"
        var wanted = try box.wanted(["edge": [service.end]])
        wanted.grants[0].sources = [try #require(IPAddress("192.0.2.1"))]
        try box.server.set(wanted)
        let refused = try box.ssh("edge", ["-W", target])
        #expect(refused.errorText.contains("Permission denied (publickey)"))
        wanted.grants[0].sources.append(IPAddress(ipv4: 0x7f00_0001))
        try box.server.set(wanted)
        #expect(try box.echo("edge", target) == "hello")
    }

    @Test("is found again by an agent that was started anew, and by no wrong process id")
    func found() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        let process = try #require(box.server.observe(wanted)?.process)
        let agent = TunnelServer(
            folders: box.folders, storage: FileStorage(), keys: box.keys, log: NodeLog(.none),
            program: "/proc/self/exe")
        #expect(agent.observe(wanted)?.process == process)
        // The number is another process's now.
        let other = try Child(["sleep", "60"])
        try Files.replace("\(box.folders.tunnels)/pid", with: "\(other.pid)\n".utf8)
        #expect(agent.observe(wanted)?.process == process)
        #expect(try agent.remove().contains("sshd of the tunnels"))
        #expect(agent.leftovers().isEmpty)
        // It has ended, even where nobody has asked how yet.
        #expect(((try? Files.read("/proc/\(process)/cmdline")) ?? []).isEmpty)
        #expect(try other.wait(milliseconds: 0) == nil)
        other.signal(SIGKILL)
        _ = try other.wait()
    }

    @Test("mends what somebody else has changed")
    func drift() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end]])
        try box.server.set(wanted)
        let folder = box.folders.tunnels
        for (path, line) in [
            ("authorized_keys", "the key of edge is not let in"),
            ("sshd_config", "sshd's configuration is another"),
        ] {
            try Files.replace("\(folder)/\(path)", with: Array("# nothing\n".utf8), mode: 0o644)
            #expect(box.server.observe(wanted)?.differences == [line])
            try box.server.set(wanted)
            #expect(box.server.observe(wanted)?.differences == [])
        }
        _ = try Child.run(["userdel", box.user])
        #expect(box.server.observe(wanted)?.differences.first?.contains("no user") == true)
        try box.server.set(wanted)
        #expect(try box.echo("edge", "127.0.0.1:\(service.port)") == "hello")
    }

    @Test("bounds its log and still knows whose sessions are open")
    func log() throws {
        let (box, service) = (try TunnelBox(), try EchoService())
        let wanted = try box.wanted(["edge": [service.end], "gpu": [service.end]])
        try box.server.set(wanted)
        let target = "127.0.0.1:\(service.port)"
        let (one, two) = (
            try OpenTunnel(box.command("edge", ["-W", target])),
            try OpenTunnel(box.command("gpu", ["-W", target]))
        )
        #expect(one.exchange("a") == "a" && two.exchange("b") == "b")
        let path = "\(box.folders.tunnels)/log"
        let noise = [UInt8](repeating: UInt8(ascii: "x"), count: 2 << 20) + [10]
        let file = Descriptor(owning: try check("open") { open(path, O_WRONLY | O_APPEND) })
        try IO.writeAll(file.number, noise)
        box.server.tend()
        #expect(try #require(Files.size(path)) < 1_000)
        #expect(box.server.observe(wanted)?.sessions == 2)
        try box.server.set(try box.wanted(["gpu": [service.end]]))
        #expect(one.awaitEnd())
        #expect(two.exchange("c") == "c")
    }

    /// Waits for what comes by itself; false where it does not within 20 seconds.
    private func comes(_ condition: () -> Bool) -> Bool {
        for _ in 0..<1000 {
            if condition() { return true }
            Clocks.sleep(0.02)
        }
        return false
    }
}
