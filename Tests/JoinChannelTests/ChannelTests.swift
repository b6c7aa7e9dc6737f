import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import Testing

@Suite("Who has the token's key is let in, and nobody else")
struct ChannelTests {
    @Test("both ends talk, also more than one record holds")
    func talks() throws {
        let door = try Door()
        let node = try door.dial()
        #expect(door.wait { $0.admitted.count == 1 })
        let controller = try #require(door.now.admitted.first)
        #expect(controller.identity == Array("nas".utf8))
        #expect(controller.peer == "127.0.0.1")
        let deadline = Clocks.monotonic() + 20
        try controller.write(Array("look".utf8), deadline: deadline)
        #expect(try node.read(deadline: deadline) == Array("look".utf8))
        let large = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let reader = try Worker("read") {
            var got: [UInt8] = []
            while got.count < large.count, let bytes = try? controller.read(deadline: deadline) {
                got += bytes
            }
            try? controller.write([got == large ? 1 : 0], deadline: deadline)
        }
        try node.write(large, deadline: deadline)
        #expect(try node.read(deadline: deadline) == [1])
        reader.join()
        node.close()
        #expect(try controller.read(deadline: deadline) == [], "an orderly end is one")
    }

    @Test(
        "a wrong key, an unknown name and an empty one fail at the same place with the same words")
    func refuses() throws {
        let door = try Door()
        let wrong = failure { _ = try door.dial(as: "nas", PlainKey(8)) }
        let unknown = failure { _ = try door.dial(as: "ghost", PlainKey(7)) }
        let long = failure {
            _ = try door.dial(as: String(repeating: "x", count: 1000), PlainKey(7))
        }
        #expect([wrong, unknown, long] == [.refused, .refused, .refused])
        #expect(door.wait { $0.refused.count == 3 })
        #expect(Set(door.now.refused.map(\.error.message)).count == 1)
        #expect(Set(door.now.refused.map(\.error.code)) == [.refused])
        #expect(door.now.admitted.isEmpty)
    }

    @Test("a wait has an end; a connection that is cut is not one that ended")
    func waits() throws {
        let door = try Door()
        let node = try door.dial()
        #expect(failure { _ = try node.read(deadline: Clocks.monotonic() + 0.05) } == .timeout)
        #expect(door.wait { $0.admitted.count == 1 })
        let controller = try #require(door.now.admitted.first)
        let waiting = try Worker("wait") {
            let code = failure { _ = try controller.read(deadline: Clocks.monotonic() + 20) }
            #expect(code == .hungUp)
        }
        Clocks.sleep(0.05)
        controller.cut()
        waiting.join()
        #expect(failure { _ = try node.read(deadline: Clocks.monotonic() + 5) } == .hungUp)
    }

    @Test("a bridge passes bytes both ways until an end goes")
    func bridges() throws {
        let door = try Door()
        let node = try door.dial()
        #expect(door.wait { $0.admitted.count == 1 })
        let controller = try #require(door.now.admitted.first)
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try check("socketpair") { socketpair(AF_UNIX, kind, 0, &ends) }
        let near = Descriptor(owning: ends[0])
        let agent = Descriptor(owning: ends[1])
        let number = near.number
        let bridge = try Worker("bridge") {
            try? node.bridge(to: number, patience: 10, silence: 20)
        }
        let deadline = Clocks.monotonic() + 20
        try controller.write([1, 2, 3], deadline: deadline)
        #expect(try IO.read(agent.number) == [1, 2, 3])
        let large = [UInt8](repeating: 5, count: 300_000)
        let writer = agent.number
        let sender = try Worker("send") { try? IO.writeAll(writer, large) }
        var got = 0
        while got < large.count { got += try controller.read(deadline: deadline).count }
        sender.join()
        controller.close()
        bridge.join()
    }

    @Test("somebody in the middle without the key gets nowhere", arguments: [true, false])
    func impostor(showsCertificate: Bool) throws {
        let port = try Impostor.freePort()
        let impostor = try Impostor(port: port, showsCertificate: showsCertificate)
        let code = failure {
            _ = try JoinDialler().dial(
                "127.0.0.1", port: port, as: Array("Client_identity".utf8), key: PlainKey(7),
                timeout: 10)
        }
        #expect(code == .refused)
        _ = consume impostor
    }

    @Test("the right key opens the same server, so that the two above mean something")
    func truePeer() throws {
        let port = try Impostor.freePort()
        let server = try Impostor(
            port: port, showsCertificate: false, key: String(repeating: "07", count: 32))
        _ = try JoinDialler().dial(
            "127.0.0.1", port: port, as: Array("Client_identity".utf8), key: PlainKey(7),
            timeout: 10)
        _ = consume server
    }
}

/// OpenSSL's own server, as somebody in the middle would run it.
final class Impostor {
    private let child: Child
    private let input: Int32
    private let folder: String

    static func freePort() throws -> UInt16 {
        let socket = try JoinSockets.listen(on: "127.0.0.1", port: 0)
        return JoinSockets.port(of: socket.number)
    }

    init(
        port: UInt16, showsCertificate: Bool, key: String = String(repeating: "08", count: 32)
    ) throws {
        folder = "/tmp/meshproof-impostor-\(getpid())-\(port)"
        try Files.makeFolder(folder)
        var arguments = [
            "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-tls1_3", "-quiet",
            "-ciphersuites", "TLS_AES_256_GCM_SHA384",
        ]
        if showsCertificate {
            let (certificate, secret) = ("\(folder)/c.pem", "\(folder)/k.pem")
            let made = try Child.run([
                "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=mesh",
                "-keyout", secret, "-out", certificate,
            ])
            guard made.status.isSuccess else {
                throw SystemError("openssl", "", errno: 0, detail: made.errorText)
            }
            arguments += ["-cert", certificate, "-key", secret]
        } else {
            // TLS_AES_256_GCM_SHA384 is what its session file has to name; the option makes one for SHA-256 only.
            let session = "\(folder)/session.pem"
            try PresharedSession.write(key: key, to: session)
            arguments += ["-nocert", "-psk_session", session]
        }
        let pipe = try IO.pipe()
        let (reader, writer) = pipe.split()
        let words = "\(folder)/log"
        let log = Descriptor(owning: try check("creat") { creat(words, 0o600) })
        child = try Child(arguments, input: reader, output: log.number, errors: log.number)
        close(reader)
        input = writer
        let deadline = Clocks.monotonic() + 20
        // Looked up rather than tried: with -quiet a connection that says nothing would keep it busy.
        while Clocks.monotonic() < deadline {
            let table = String(decoding: try Files.read("/proc/net/tcp"), as: UTF8.self)
            let hex = String(port, radix: 16, uppercase: true)
            if table.contains("0100007F:" + String(repeating: "0", count: 4 - hex.count) + hex) {
                return
            }
            Clocks.sleep(0.02)
        }
        throw SystemError("start", "openssl s_server", errno: 0)
    }

    deinit {
        child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 5000)
        close(input)
        try? Files.removeTree(folder)
    }
}
