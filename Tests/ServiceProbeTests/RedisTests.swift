import LinuxSystem
import MeshModel
import ServiceProbe
import Testing

@Suite("Redis is asked to send the canary back")
struct RedisTests {
    private func redis(_ options: String...) throws -> TestProgram {
        let port = try Loopback.freePort()
        return try TestProgram(
            [
                "redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", "/tmp",
            ] + options, port: port)
    }

    @Test("a real server sends it back, larger than a packet, and PING where there is none")
    func echo() throws {
        let server = try redis()
        let fact = try probe(loopback(server.port), .redis)
        #expect(fact.outcome == .answered, "\(fact.message)")
        #expect(fact.message.contains("sent the canary back"))
        #expect(fact.sent > 3_000 && fact.received > 3_000)
        let ping = try probe(loopback(server.port), .redis, canary: "")
        #expect(ping.outcome == .answered && ping.message.contains("PONG"))
    }

    @Test("a server that wants a password has answered")
    func password() throws {
        let server = try redis("--requirepass", "swordfish")
        let fact = try probe(loopback(server.port), .redis)
        #expect(fact.outcome == .answered)
        #expect(fact.message.contains("NOAUTH"), "\(fact.message)")
    }

    @Test("through TLS, with the certificate required or not", arguments: ["yes", "optional"])
    func tls(asks: String) throws {
        let authority = try TestAuthority.shared.get()
        let port = try Loopback.freePort()
        let place = authority.folder.path
        let server = try TestProgram(
            [
                "redis-server", "--port", "0", "--tls-port", String(port), "--bind", "127.0.0.1",
                "--save", "", "--dir", "/tmp", "--tls-cert-file", "\(place)/server.pem",
                "--tls-key-file", "\(place)/server.key", "--tls-ca-cert-file", "\(place)/ca.pem",
                "--tls-auth-clients", asks,
            ], port: port)
        let with = try probe(
            loopback(server.port), .tls(authority.rules(client: "client")), speaks: .redis,
            tlsFolder: place)
        #expect(with.outcome == .answered, "\(with.message)")
        #expect(with.message.contains("sent the canary back"))
        let without = try probe(
            loopback(server.port), .tlsWithoutCertificate(authority.rules(client: "client")),
            speaks: .redis, tlsFolder: place)
        #expect(
            without.outcome == (asks == "yes" ? .refused : .answered), "\(without.message)")
    }

    @Test("protected mode is a refusal, another text than the canary is none of Redis's")
    func others() throws {
        for (answer, outcome) in [
            ("-DENIED Redis is running in protected mode\r\n", ProbeFact.Outcome.refused),
            ("$5\r\nhello\r\n", .garbled), ("+OK\r\n", .answered), ("$99999999\r\n", .garbled),
        ] {
            let tiny = try TinyServer { caller in
                _ = TinyServer.read(caller)
                _ = TinyServer.send(caller, Array(answer.utf8))
                _ = TinyServer.read(caller)
            }
            let fact = try probe(tiny.end, .redis, timeout: 2)
            #expect(fact.outcome == outcome, "\(answer): \(fact.message)")
        }
    }
}
