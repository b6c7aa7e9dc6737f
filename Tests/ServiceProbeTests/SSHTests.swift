import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel
import ServiceProbe
import Testing

/// A real sshd for tunnels.
final class TestTunnelServer {
    let folder: TestFolder
    let program: TestProgram
    let tunnel: DesiredTunnel
    static let userName = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"

    /// - Parameters:
    ///   - grant: what stands before the node's key.
    ///   - extra: lines of sshd_config, which count before ours.
    init(grant: String, extra: String = "", target: UInt16) throws {
        folder = try TestFolder()
        let place = folder.path
        if getuid() == 0 { try Files.makeFolder("/run/sshd", mode: 0o755) }
        var keys: [PublicKey] = []
        for name in ["host", "client"] {
            let made = try Child.run(
                [
                    "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f",
                    "\(place)/\(name)",
                ])
            guard made.status.isSuccess else {
                throw SystemError("ssh-keygen", name, errno: 0, detail: made.errorText)
            }
            let text = String(decoding: try Files.read("\(place)/\(name).pub"), as: UTF8.self)
            guard let key = PublicKey(openSSHText: text) else {
                throw SystemError("read", name, errno: 0)
            }
            keys.append(key)
        }
        try folder.write("authorized_keys", "\(grant) \(keys[1].openSSHText)\n")
        let port = try Loopback.freePort()
        try folder.write(
            "sshd_config",
            """
            \(extra)
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(place)/host
            AuthorizedKeysFile \(place)/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            AllowTcpForwarding local
            LogLevel ERROR

            """)
        program = try TestProgram(
            [Child.find("sshd") ?? "/usr/sbin/sshd", "-D", "-e", "-f", "\(place)/sshd_config"],
            port: port)
        tunnel = DesiredTunnel(
            edge: "a->b", node: "b", way: .underlay,
            server: Endpoint(host: "127.0.0.1", port: port), user: Self.userName,
            hostKeys: [keys[0]], clientKey: keys[1], entrances: [],
            target: loopback(target))
    }

    func ask(elsewhere port: UInt16) throws -> ProbeFact {
        let file = "\(folder.path)/client"
        let key = tunnel.clientKey
        return try probe(
            loopback(port), .tunnelElsewhere(tunnel: tunnel), purpose: .refusal,
            keys: { $0 == key ? file : nil })
    }

    func askAsStranger() throws -> ProbeFact {
        try probe(
            loopback(program.port), .strangerSSH(user: Self.userName), purpose: .outsider)
    }
}

@Suite("A tunnel server says no to strangers, and to more than it grants", .serialized)
struct SSHTests {
    @Test("a server as it should be refuses both")
    func good() throws {
        let service = try TinyServer { _ in }
        let other = try TinyServer { _ in }
        let server = try TestTunnelServer(
            grant: "restrict,port-forwarding,permitopen=\"127.0.0.1:\(service.end.port)\"",
            target: service.end.port)
        let stranger = try server.askAsStranger()
        #expect(stranger.outcome == .refused, "\(stranger.message)")
        let elsewhere = try server.ask(elsewhere: other.end.port)
        #expect(elsewhere.outcome == .refused, "\(elsewhere.message)")
        #expect(elsewhere.message.contains("opens no channel"))
        // What is granted is no question, and a key that is not here no answer.
        #expect(try server.ask(elsewhere: service.end.port).outcome == .failed)
        let keyless = try probe(
            loopback(other.end.port), .tunnelElsewhere(tunnel: server.tunnel))
        #expect(keyless.outcome == .failed)
    }

    @Test("a key without limits reaches elsewhere, whether something listens there or not")
    func unlimited() throws {
        let other = try TinyServer { _ in }
        let server = try TestTunnelServer(grant: "", target: 1)
        let open = try server.ask(elsewhere: other.end.port)
        #expect(open.outcome == .answered && open.message.contains("opens a channel"))
        let tried = try server.ask(elsewhere: try Loopback.freePort())
        #expect(tried.outcome == .answered && tried.message.contains("tried"), "\(tried.message)")
    }

    @Test("a key that may listen at the server reaches elsewhere")
    func listening() throws {
        let server = try TestTunnelServer(
            grant: "restrict,port-forwarding,permitopen=\"127.0.0.1:1\"",
            extra: "AllowTcpForwarding yes", target: 1)
        let fact = try server.ask(elsewhere: try Loopback.freePort())
        #expect(fact.outcome == .answered && fact.message.contains("listens"), "\(fact.message)")
    }

    @Test("a server that takes any key lets a stranger in", .enabled(if: getuid() == 0))
    func open() throws {
        let server = try TestTunnelServer(
            grant: "",
            extra: "AuthorizedKeysCommand /bin/echo %t %k\nAuthorizedKeysCommandUser nobody",
            target: 1)
        let fact = try server.askAsStranger()
        #expect(fact.outcome == .answered, "\(fact.message)")
    }

    @Test("what is no SSH server, or none at all, is told")
    func others() throws {
        let port = try Loopback.freePort()
        #expect(
            try probe(loopback(port), .strangerSSH(user: "x")).outcome == .closed)
        let web = try TinyServer { caller in
            _ = TinyServer.send(caller, Array("HTTP/1.0 400 Bad Request\r\n\r\n".utf8))
        }
        let fact = try probe(web.end, .strangerSSH(user: "x"), timeout: 5)
        #expect(fact.outcome == .garbled, "\(fact.message)")
        let mute = try TinyServer { caller in while !TinyServer.read(caller).isEmpty {} }
        let silent = try probe(mute.end, .strangerSSH(user: "x"), timeout: 1)
        #expect(silent.outcome == .silent, "\(silent.message)")
    }
}
