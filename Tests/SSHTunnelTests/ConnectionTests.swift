import Glibc
import LinuxSystem
import SSHTunnel
import Testing

@Suite("A connection is made in time or fails with a reason")
struct ConnectionTests {
    @Test("Only modern algorithms are negotiated, and the facts tell which")
    func facts() throws {
        let server = try TestServer()
        let facts = try server.connect().facts
        #expect(facts.address == "127.0.0.1")
        #expect(facts.port == server.port)
        #expect(facts.user == TestServer.userName)
        #expect(
            ["curve25519-sha256", "sntrup761x25519-sha512"].contains {
                facts.keyExchange.hasPrefix($0)
            })
        #expect(facts.cipherIn == "aes256-gcm@openssh.com")
        #expect(facts.cipherOut == facts.cipherIn)
        #expect(facts.macIn == "aead" && facts.macOut == "aead")
        #expect(facts.hostKeyType == "ssh-ed25519")
        #expect(facts.serverBanner.hasPrefix("SSH-2.0-OpenSSH"))
    }

    @Test(
        "A server with only outdated algorithms is refused",
        arguments: ["KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes128-cbc"])
    func outdated(line: String) throws {
        let server = try TestServer(extra: line)
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .negotiation)
    }

    @Test("A port where nothing listens is refused at once")
    func refused() throws {
        let target = SSHTarget(
            user: "root", host: "127.0.0.1", port: try TestServer.freePort(),
            configFile: "/dev/null")
        let error = #expect(throws: SSHError.self) { try SSHClient(target, timeout: 20) }
        #expect(error?.code == .refused)
        #expect(error?.errno == ECONNREFUSED)
    }

    @Test("A name without an address is told as such")
    func unresolvable() throws {
        let target = SSHTarget(user: "root", host: "no-such-host.invalid", configFile: "/dev/null")
        let error = #expect(throws: SSHError.self) { try SSHClient(target, timeout: 30) }
        #expect(error?.code == .resolve || error?.code == .timeout)
    }

    @Test("A listener that never speaks costs no more than the time allowed")
    func silent() throws {
        let listener = try Listener()
        let target = SSHTarget(
            user: "root", host: "127.0.0.1", port: listener.port, configFile: "/dev/null")
        let error = #expect(throws: SSHError.self) { try SSHClient(target, timeout: 1) }
        #expect(error?.code == .timeout)
    }

    @Test("A listener that speaks something else is no SSH server")
    func otherProtocol() throws {
        let listener = try Listener(says: "HTTP/1.1 400 Bad Request\r\n\r\n")
        let target = SSHTarget(
            user: "root", host: "127.0.0.1", port: listener.port, configFile: "/dev/null")
        let error = #expect(throws: SSHError.self) { try SSHClient(target, timeout: 3) }
        #expect(error?.code == .unreachable || error?.code == .timeout)
    }

    @Test(
        "A target that could be taken for an option or a command is refused",
        arguments: ["", "-oProxyCommand=true", "a b", "a\nb", "a\u{7f}"])
    func hostile(host: String) throws {
        let error = #expect(throws: SSHError.self) {
            try SSHClient(SSHTarget(host: host), timeout: 5)
        }
        #expect(error?.code == .configuration)
    }

    @Test("A broken ssh_config is told in ssh's own words")
    func brokenConfiguration() throws {
        let server = try TestServer()
        try Files.replace("\(server.folder)/config", with: "Nonsense yes\n".utf8)
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .configuration)
        #expect(error?.detail.contains("bad configuration options") == true)
    }

    @Test("ProxyJump and ProxyCommand carry a session, and leave no process behind")
    func proxies() throws {
        let server = try TestServer()
        let jump = """
            ProxyJump jump
            Host jump
                HostName 127.0.0.1
                Port \(server.port)
                User \(TestServer.userName)
                IdentityFile \(server.folder)/client
                IdentitiesOnly yes
                UserKnownHostsFile \(server.folder)/known_hosts
            """
        let ticket = "\(server.folder)/proxy.pid"
        let command =
            "ProxyCommand echo $$ > \(ticket); exec ssh -F \(server.folder)/config -W %h:%p jump\n"
            + jump.split(separator: "\n").dropFirst().joined(separator: "\n")
        for extra in [jump, command] {
            try server.writeClientConfiguration(extra: extra)
            let client = try server.connect()
            #expect(client.facts.address == nil)
            #expect(try client.run("echo through").text == "through")
        }
        let pid = String(decoding: try Files.read(ticket), as: UTF8.self).filter(\.isNumber)
        #expect(!pid.isEmpty && !Files.exists("/proc/\(pid)"))
    }

    @Test("A proxy command that fails is named in the error")
    func failingProxy() throws {
        let server = try TestServer()
        try server.writeClientConfiguration(extra: "ProxyCommand /bin/false")
        let error = #expect(throws: SSHError.self) { try server.connect() }
        #expect(error?.code == .unreachable)
        #expect(error?.hint?.contains("/bin/false") == true)
    }

    @Test("32 sessions run beside each other, each on its own thread")
    func parallel() throws {
        let server = try TestServer()
        let target = server.target()
        let answers = try fanOut(Array(0..<64), limit: 32, name: "ssh-test") { number in
            do throws(SSHError) {
                let client = try SSHClient(target, timeout: 60)
                return try client.run(
                    "head -c 200000 /dev/zero | wc -c; echo \(number)", timeout: 60
                ).text
            } catch {
                return "\(error)"
            }
        }
        #expect(answers == (0..<64).map { "200000\n\($0)" })
    }

    @Test("200 sessions, good and refused, leave no descriptor behind")
    func descriptors() async throws {
        // In a process of its own, where no other test opens or closes anything.
        await #expect(processExitsWith: .success) {
            let server = try TestServer()
            func count() throws -> Int { try Files.list("/proc/self/fd").count }
            _ = try server.connect().run("true")
            let before = try count()
            for round in 0..<100 {
                _ = try server.connect().run("true")
                if round % 2 == 0 {
                    _ = try? server.connect(pin: try server.fingerprint("stranger"))
                } else {
                    _ = try server.connect().open("cat")
                }
            }
            let after = try count()
            guard after == before else { print(before, after); exit(1) }
            server.stop()
        }
    }
}

/// A TCP listener that is no SSH server: it says one thing to the first caller, then nothing.
private final class Listener {
    let port: UInt16
    private let socket: Descriptor
    private let worker: Worker

    init(says text: String = "") throws {
        socket = Descriptor(
            owning: try check("socket") {
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        let number = socket.number
        port = try TestServer.bindToFreePort(number)
        try check("listen") { listen(number, 5) }
        worker = try Worker("listener") {
            let caller = accept(number, nil, nil)
            guard caller >= 0 else { return }
            try? IO.writeAll(caller, text.utf8)
            // Until the other side hangs up; not for ever, so that a leaked socket fails a test and hangs none.
            while (try? IO.wait(caller, milliseconds: 30_000)) == true {
                guard let bytes = try? IO.read(caller), !bytes.isEmpty else { break }
            }
            close(caller)
        }
    }

    deinit {
        shutdown(socket.number, Int32(SHUT_RDWR))
        worker.join()
    }
}
