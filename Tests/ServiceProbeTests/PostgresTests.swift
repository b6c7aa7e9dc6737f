import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Testing

/// A real PostgreSQL with the pg_hba.conf of a test.
final class TestPostgres {
    let folder: TestFolder
    let port: UInt16
    private var isRunning = false
    private let data: String
    private static let binaries = "/usr/lib/postgresql"

    init() throws {
        folder = try TestFolder()
        port = try Loopback.freePort()
        data = "\(folder.path)/data"
        if geteuid() == 0 {
            let owned = try Child.run(["chown", "postgres", folder.path])
            guard owned.status.isSuccess else {
                throw SystemError("chown", folder.path, errno: 0, detail: owned.errorText)
            }
        }
        try run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N", "--no-instructions")
        let authority = try TestAuthority.shared.get()
        // The server takes only a key of its own that nobody else reads.
        for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
            let result = try Child.run(
                asServer([
                    "sh", "-c", "umask 077; cat >\(data)/\(to)",
                ]), input: try Files.read("\(authority.folder.path)/\(from)"))
            guard result.status.isSuccess else {
                throw SystemError("copy", to, errno: 0, detail: result.errorText)
            }
        }
    }

    deinit { try? stop() }

    func stop() throws {
        if isRunning { try run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop") }
        isRunning = false
    }

    /// Starts it anew.
    func serve(hba: String, tls: Bool, _ options: String = "") throws {
        try stop()
        try write("pg_hba.conf", hba)
        let authority = try TestAuthority.shared.get().folder.path
        try write(
            "postgresql.auto.conf",
            """
            ssl = \(tls ? "on" : "off")
            ssl_ca_file = '\(authority)/ca.pem'
            listen_addresses = '127.0.0.1'
            unix_socket_directories = '\(folder.path)'
            port = \(port)
            fsync = off

            """ + options)
        try run("pg_ctl", "-D", data, "-l", "\(folder.path)/log", "-w", "start")
        isRunning = true
    }

    private func write(_ name: String, _ text: String) throws {
        let result = try Child.run(
            asServer(["sh", "-c", "cat >\(data)/\(name)"]), input: Array(text.utf8))
        guard result.status.isSuccess else {
            throw SystemError("write", name, errno: 0, detail: result.errorText)
        }
    }

    private func asServer(_ words: [String]) -> [String] {
        geteuid() == 0 ? ["runuser", "-u", "postgres", "--"] + words : words
    }

    private func run(_ words: String...) throws {
        let version = try Files.list(Self.binaries).compactMap { Int($0) }.max() ?? 0
        let result = try Child.run(
            asServer(["\(Self.binaries)/\(version)/bin/\(words[0])"] + words.dropFirst()),
            timeout: 120)
        guard result.status.isSuccess else {
            let log = String(
                decoding: (try? Files.read("\(folder.path)/log")) ?? [], as: UTF8.self)
            throw SystemError(
                "run", words[0], errno: 0, detail: "\(result.errorText) \(result.text) \(log)")
        }
    }
}

@Suite("PostgreSQL is asked as far as its first word", .serialized)
struct PostgresTests {
    @Test("every way in that pg_hba.conf can open or close")
    func ways() throws {
        let authority = try TestAuthority.shared.get()
        let tls = authority.rules()
        let server = try TestPostgres()
        func ask(_ question: ProbeOrder.Question) throws -> ProbeFact {
            try probe(loopback(server.port), question, tlsFolder: authority.folder.path)
        }
        func expect(
            _ question: ProbeOrder.Question, _ outcome: ProbeFact.Outcome, _ words: String,
            _ place: SourceLocation = #_sourceLocation
        ) throws {
            let fact = try ask(question)
            #expect(
                fact.outcome == outcome && fact.message.contains(words),
                "\(fact.outcome): \(fact.message)", sourceLocation: place)
        }

        // No TLS at all, passwords asked for.
        try server.serve(
            hba: "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n", tls: false)
        try expect(.postgres(tls: nil), .answered, "SASL")
        try expect(.postgres(tls: tls), .refused, "no TLS")
        try expect(.postgresPlain, .answered, "without TLS it asks for SASL")
        let fact = try ask(.postgres(tls: nil))
        #expect(fact.sent > 3_000 && fact.sent < 4_096)
        let unix = try probe(
            .unix("\(server.folder.path)/.s.PGSQL.\(server.port)"), .postgres(tls: nil))
        #expect(unix.outcome == .answered && unix.message.contains("trust"), "\(unix.message)")

        // TLS, and nothing else (the clean twin).
        try server.serve(hba: "hostssl all all 127.0.0.1/32 scram-sha-256\n", tls: true)
        try expect(.postgres(tls: tls), .answered, "SASL")
        #expect(try ask(.postgres(tls: tls)).tls?.isTrusted == true)
        try expect(.postgresPlain, .refused, "no encryption")
        try expect(.postgres(tls: nil), .answered, "28000")

        // Offered, and plain startups taken all the same (case 24).
        try server.serve(hba: "host all all 127.0.0.1/32 scram-sha-256\n", tls: true)
        try expect(.postgres(tls: tls), .answered, "SASL")
        try expect(.postgresPlain, .answered, "without TLS")

        // Trust, with and without TLS.
        try server.serve(hba: "host all all 127.0.0.1/32 trust\n", tls: true)
        try expect(.postgresPlain, .answered, "trust")
        // Rejected by a line of its own; ident, which is a question of who and not of how.
        try server.serve(
            hba: "hostnossl all all 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 md5\n", tls: true
        )
        try expect(.postgresPlain, .refused, "rejects")
        try expect(.postgres(tls: tls), .answered, "")
        try server.serve(hba: "host all all 127.0.0.1/32 ident\n", tls: true)
        try expect(.postgresPlain, .answered, "Ident authentication failed")

        // Another language than English says the same.
        try server.serve(
            hba: "hostssl all all 127.0.0.1/32 md5\n", tls: true, "lc_messages = 'C'\n")
        try expect(.postgresPlain, .refused, "")

        // Client certificates: required and not.
        try server.serve(
            hba: "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n", tls: true)
        try expect(.postgres(tls: tls), .refused, "client certificate")
        try expect(.postgres(tls: authority.rules(client: "client")), .answered, "SASL")
        let without = try probe(
            loopback(server.port), .tlsWithoutCertificate(authority.rules(client: "client")),
            speaks: .postgres, tlsFolder: authority.folder.path)
        #expect(without.outcome == .refused, "\(without.message)")
        #expect(without.tls?.asksForCertificate == true)
    }

    @Test("an answer to SSLRequest that is followed by something is not taken for TLS")
    func smuggled() throws {
        for answer in ["S" + String(repeating: "\0", count: 64), "X", "SSH-2.0-x\r\n"] {
            let tiny = try TinyServer { caller in
                _ = TinyServer.read(caller)
                _ = TinyServer.send(caller, Array(answer.utf8))
                _ = TinyServer.read(caller)
            }
            let authority = try TestAuthority.shared.get()
            let fact = try probe(
                tiny.end, .postgres(tls: authority.rules()), timeout: 3,
                tlsFolder: authority.folder.path)
            #expect(fact.outcome == .garbled, "\(fact.message)")
        }
    }

    @Test(
        "only what is known to refuse the connection is a refusal",
        arguments: [
            ("28000", "no pg_hba.conf entry", "ClientAuthentication", ProbeFact.Outcome.refused),
            ("28000", "no pg_hba.conf entry", "", .refused),
            ("28000", "role does not exist", "InitializeSessionUserId", .answered),
            ("08P01", "SSL required", "", .refused),
            ("08P01", "no such user", "", .answered),
            ("28P01", "password authentication failed", "auth_failed", .answered),
            ("53300", "too many clients already", "", .failed),
            ("57P03", "the database system is starting up", "", .failed),
        ])
    func errors(
        state: String, message: String, routine: String, outcome: ProbeFact.Outcome
    ) throws {
        var body: [UInt8] = []
        for (kind, text) in [("S", "FATAL"), ("C", state), ("M", message), ("R", routine)] {
            if !text.isEmpty { body += Array(kind.utf8) + Array(text.utf8) + [0] }
        }
        body.append(0)
        let reply = [UInt8(ascii: "E"), 0, 0, 0, UInt8(body.count + 4)] + body
        let tiny = try TinyServer { caller in
            _ = TinyServer.read(caller)
            _ = TinyServer.send(caller, reply)
            _ = TinyServer.read(caller)
        }
        let fact = try probe(tiny.end, .postgresPlain)
        #expect(fact.outcome == outcome, "\(fact.message)")
        #expect(try probe(tiny.end, .postgres(tls: nil)).outcome == .answered)
    }
}
