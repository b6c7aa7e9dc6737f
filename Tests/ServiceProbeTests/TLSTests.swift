import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Testing

@Suite("TLS is recorded for what it is, and a client certificate is known to be required or not")
struct TLSTests {
    private let authority: TestAuthority

    init() throws { authority = try TestAuthority.shared.get() }

    private func ask(
        _ server: TestProgram, _ question: ProbeOrder.Question,
        speaks: ServiceKind.WireProtocol? = nil
    ) throws -> ProbeFact {
        try probe(
            loopback(server.port), question, speaks: speaks, tlsFolder: authority.folder.path)
    }

    @Test(
        "a good server: version, cipher, chain, name, end and fingerprint",
        arguments: [
            ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3"),
        ])
    func good(option: String, version: String) throws {
        let server = try authority.server(option)
        let fact = try ask(server, .tls(authority.rules()))
        #expect(fact.outcome == .answered, "\(fact.message)")
        let tls = try #require(fact.tls)
        #expect(tls.version == version)
        #expect(tls.isTrusted && tls.trustProblem.isEmpty)
        #expect(tls.subject == "CN=server" && tls.issuer == "CN=ca")
        #expect(!tls.asksForCertificate)
        #expect(abs(tls.expires - Clocks.wall() - 5 * 86_400) < 86_400)
        #expect(tls.cipher.hasPrefix(version == "TLSv1.3" ? "TLS_" : "ECDHE-ECDSA-"))
        let shown = try Child.run([
            "openssl", "x509", "-in", "\(authority.folder.path)/server.pem", "-noout",
            "-fingerprint", "-sha256",
        ]).text
        let wanted = shown.split(separator: "=").last.map { $0.lowercased() } ?? ""
        #expect(tls.fingerprint == wanted.split(separator: ":").joined())
        #expect(fact.sent > 3_000)
    }

    @Test("an HTTP question through TLS, by name and by address")
    func http() throws {
        let server = try authority.server()
        for name in ["service.test", "127.0.0.1"] {
            let fact = try ask(server, .http(path: "/", tls: authority.rules(name: name)))
            #expect(fact.outcome == .answered, "\(fact.message)")
            #expect(fact.tls?.isTrusted == true, "\(fact.tls?.trustProblem ?? "")")
        }
    }

    @Test(
        "what is not to be trusted is told, and the outcome stays the server's",
        arguments: [
            ("other.test", "ca.pem", "server", "hostname mismatch"),
            ("192.0.2.1", "ca.pem", "server", "IP address mismatch"),
            ("service.test", "ca.pem", "stranger-server", "unable to get local issuer certificate"),
            ("service.test", nil, "server", "self-signed certificate in certificate chain"),
        ])
    func untrusted(name: String, authorities: String?, certificate: String, problem: String) throws
    {
        let server = try authority.server(certificate: certificate)
        let fact = try ask(
            server, .tls(authority.rules(name: name, authorities: authorities)))
        #expect(fact.outcome == .answered, "\(fact.message)")
        let tls = try #require(fact.tls)
        #expect(!tls.isTrusted)
        #expect(tls.trustProblem.contains(problem), "\(tls.trustProblem)")
    }

    @Test("TLS under the minimum is refused")
    func tooOld() throws {
        let server = try authority.server("-tls1_2")
        let fact = try ask(server, .tls(authority.rules(minimum: "TLS1.3")))
        #expect(fact.outcome == .refused, "\(fact.message)")
    }

    @Test(
        "a certificate that is required: refused without, answered with, refused with another's",
        arguments: [
            "-tls1_2", "-tls1_3",
        ])
    func required(option: String) throws {
        let server = try authority.server(option, "-Verify", "2", "-verify_return_error")
        let without = try ask(server, .tlsWithoutCertificate(authority.rules(client: "client")))
        #expect(without.outcome == .refused, "\(without.message)")
        #expect(without.tls?.asksForCertificate == true)
        let with = try ask(server, .tls(authority.rules(client: "client")))
        #expect(with.outcome == .answered, "\(with.message)")
        #expect(with.tls?.asksForCertificate == true)
        let other = try ask(server, .tls(authority.rules(client: "stranger")))
        #expect(other.outcome == .refused, "\(other.message)")
    }

    @Test("nginx finishes the handshake and refuses in HTTP", arguments: ["on", "optional"])
    func nginx(asks: String) throws {
        let port = try Loopback.freePort()
        let folder = try TestFolder()
        let place = authority.folder.path
        try folder.write(
            "nginx.conf",
            """
            daemon off; master_process off; pid \(folder.path)/pid; error_log stderr;
            events {}
            http {
                access_log off; client_body_temp_path \(folder.path)/a; proxy_temp_path \(folder.path)/b;
                fastcgi_temp_path \(folder.path)/c; uwsgi_temp_path \(folder.path)/d;
                scgi_temp_path \(folder.path)/e;
                server {
                    listen 127.0.0.1:\(port) ssl;
                    ssl_certificate \(place)/server.pem; ssl_certificate_key \(place)/server.key;
                    ssl_client_certificate \(place)/ca.pem; ssl_verify_client \(asks);
                    location / { return 200 "fine"; }
                }
            }
            """)
        let server = try TestProgram(["nginx", "-c", "\(folder.path)/nginx.conf"], port: port)
        let without = try ask(server, .tlsWithoutCertificate(authority.rules(client: "client")))
        #expect(without.outcome == (asks == "on" ? .refused : .answered), "\(without.message)")
        let with = try ask(
            server, .http(path: "/", tls: authority.rules(client: "client")))
        #expect(with.outcome == .answered && with.message.contains("200"), "\(with.message)")
        let plain = try ask(server, .plainToTLS)
        #expect(plain.outcome == .refused, "\(plain.message)")
    }

    @Test("a certificate that is only asked for is no wall", arguments: ["-tls1_2", "-tls1_3"])
    func optional(option: String) throws {
        let server = try authority.server(option, "-verify", "2")
        let fact = try ask(server, .tlsWithoutCertificate(authority.rules(client: "client")))
        #expect(fact.outcome == .answered, "\(fact.message)")
        #expect(fact.tls?.asksForCertificate == true)
    }

    @Test("a handshake that fails for another reason is no proof that a certificate is required")
    func otherReason() throws {
        let server = try authority.server("-tls1_2")
        let fact = try ask(
            server, .tlsWithoutCertificate(authority.rules(minimum: "TLS1.3", client: "client")))
        #expect(fact.outcome == .failed, "\(fact.message)")
        // One that takes the handshake and hangs up without alert or answer proves nothing either.
        let port = try Loopback.freePort()
        let place = authority.folder.path
        let mute = try TestProgram(
            [
                "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert",
                "\(place)/server.pem", "-key", "\(place)/server.key", "-quiet", "-tls1_3",
            ], port: port)
        let silent = try probe(
            loopback(mute.port), .tlsWithoutCertificate(authority.rules(client: "client")),
            timeout: 1.5, tlsFolder: place)
        #expect(silent.outcome == .silent, "\(silent.message)")
    }

    @Test("a plain request to a port that speaks TLS is refused, and answered where it does not")
    func plain() throws {
        let server = try authority.server()
        let refused = try ask(server, .plainToTLS)
        #expect(refused.outcome == .refused, "\(refused.message)")
        for (answer, outcome) in [
            ("HTTP/1.1 200 OK\r\n\r\n", ProbeFact.Outcome.answered),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", .answered),
            (
                "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                .refused
            ),
            ("HTTP/1.1 301 Moved\r\nLocation: https://service.test/\r\n\r\n", .refused),
            ("HTTP/1.1 301 Moved\r\nLocation: http://service.test/\r\n\r\n", .answered),
            ("-ERR unknown command\r\n", .answered),
        ] {
            let tiny = try TinyServer { caller in
                _ = TinyServer.read(caller)
                _ = TinyServer.send(caller, Array(answer.utf8))
                _ = TinyServer.read(caller)
            }
            let fact = try probe(tiny.end, .plainToTLS, timeout: 3)
            #expect(fact.outcome == outcome, "\(answer): \(fact.message)")
        }
    }

    @Test(
        "files that are missing or wrong are named, and nothing of a key is",
        arguments: [
            ("ca.pem", "missing", "missing.pem", "missing.pem: No such file"),
            ("missing.pem", "client", nil, "missing.pem: No such file"),
            ("empty.pem", "client", nil, "empty.pem: holds no certificate"),
            ("ca.pem", "client", "locked.key", "locked.key: holds no private key"),
            ("ca.pem", "client", "stranger.key", "stranger.key"),
            ("ca.pem", "client", "empty.pem", "empty.pem: holds no private key"),
        ] as [(String, String, String?, String)])
    func files(authorities: String, client: String, key: String?, words: String) throws {
        let server = try authority.server()
        let fact = try ask(
            server, .tls(authority.rules(authorities: authorities, client: client, key: key)))
        #expect(fact.outcome == .failed)
        #expect(fact.message.contains(words), "\(fact.message)")
        #expect(fact.sent == 0 && fact.localEnds.isEmpty)
        for file in ["client.key", "stranger.key", "locked.key"] {
            let text = String(
                decoding: try Files.read("\(authority.folder.path)/\(file)"), as: UTF8.self)
            let line = text.split(separator: "\n").dropFirst().first ?? "none"
            #expect(!fact.message.contains(line))
        }
    }
}
