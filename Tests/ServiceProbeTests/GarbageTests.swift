import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Testing

@Suite("Whatever answers, it is told for what it is, and in time")
struct GarbageTests {
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case closes, resets, silence, noise, drip, flood

        var testDescription: String { rawValue }
    }

    private static func serve(_ kind: Kind, _ caller: Int32) {
        switch kind {
        case .closes: _ = TinyServer.read(caller)
        case .resets:
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(caller, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        case .silence: while !TinyServer.read(caller).isEmpty {}
        case .noise:
            _ = TinyServer.read(caller)
            // No first byte of any protocol that is asked for here.
            _ = TinyServer.send(caller, [0x00, 0xfe] + (0..<400).map { UInt8($0 % 251) })
        case .drip:
            var next: UInt8 = 0x80
            while TinyServer.send(caller, [next]) {
                next = next &+ 1
                Clocks.sleep(0.02)
            }
        case .flood: while TinyServer.send(caller, [UInt8](repeating: 0x80, count: 65_536)) {}
        }
    }

    private static let rules = TLSCase(
        minimum: "TLS1.2", name: "service.test", authorities: nil, certificate: nil, key: nil,
        isMutual: false)

    private static let questions: [ProbeOrder.Question] = [
        .http(path: "/", tls: nil), .http(path: "/", tls: rules), .postgres(tls: nil),
        .postgres(tls: rules), .postgresPlain, .redis, .tls(rules), .tlsWithoutCertificate(rules),
        .nfsNull, .plainToTLS,
    ]

    @Test("no question is answered by garbage", arguments: Kind.allCases)
    func garbage(kind: Kind) throws {
        let server = try TinyServer { Self.serve(kind, $0) }
        let orders = Self.questions.enumerated().map { index, question in
            ProbeOrder(
                id: "\(index)", edge: nil, purpose: .outsider, target: server.end,
                question: question, canary: testCanary, timeout: 1.5)
        }
        for fact in ProbeRunner.run(orders, vantage: "a") {
            let place = "\(fact.order.question): \(fact.outcome) \(fact.message)"
            switch kind {
            case .silence: #expect(fact.outcome == .silent, "\(place)")
            // For this question alone, to hang up is to say no.
            case .closes where fact.order.question == .plainToTLS:
                #expect(fact.outcome == .refused, "\(place)")
            // A reset that comes before we have looked is a port that is closed.
            case .resets where fact.order.question == .plainToTLS:
                #expect([.refused, .closed].contains(fact.outcome), "\(place)")
            case .resets: #expect([.garbled, .closed].contains(fact.outcome), "\(place)")
            default: #expect(fact.outcome == .garbled, "\(place)")
            }
            #expect(fact.message.utf8.allSatisfy { $0 >= 0x20 })
        }
    }

    @Test("for a plain connection it is enough to be taken", arguments: Kind.allCases)
    func taken(kind: Kind) throws {
        if kind == .resets { return }
        let server = try TinyServer { Self.serve(kind, $0) }
        #expect(try probe(server.end, .tcp).outcome == .answered)
        #expect(try probe(server.end, .connect).outcome == .answered)
    }

    @Test("a server that takes no connections is silent, at its deadline")
    func fullQueue() throws {
        // A queue of one that nobody empties: further SYNs are dropped.
        let listener = try Loopback.socket()
        let port = try Loopback.bindFree(listener.number)
        let number = listener.number
        try check("listen") { listen(number, 0) }
        var held: [Int32] = []
        defer { for number in held { close(number) } }
        for _ in 0..<4 {
            let socket = try Loopback.socket()
            _ = fcntl(socket.number, F_SETFL, O_NONBLOCK)
            _ = Loopback.withName(SocketEndpoint(.loopbackIPv4, port)) {
                connect(socket.number, $0, $1)
            }
            held.append(socket.release())
        }
        #expect(try probe(loopback(port), .connect, timeout: 1).outcome == .silent)
    }

    @Test("500 probes leave no descriptor behind")
    func descriptors() throws {
        let server = try TinyServer { caller in _ = TinyServer.read(caller) }
        let authority = try TestAuthority.shared.get()
        let tls = try authority.server()
        func round(_ count: Int) -> Set<ProbeFact.Outcome> {
            let orders = (0..<count).map { index in
                ProbeOrder(
                    id: "\(index)", edge: nil, purpose: .edge,
                    target: index % 50 == 0 ? loopback(tls.port) : server.end,
                    question: index % 50 == 0
                        ? .tls(authority.rules()) : index % 2 == 0 ? .tcp : .redis,
                    canary: testCanary, timeout: 30)
            }
            return Set(
                ProbeRunner.run(orders, vantage: "a", tlsFolder: authority.folder.path)
                    .map(\.outcome))
        }
        _ = round(4)
        // Other tests run at the same time, so only what is ours is counted: sockets to these two ports.
        #expect(round(500) == [.answered, .garbled])
        let ports = [tls.port, server.end.port].map { String($0, radix: 16, uppercase: true) }
        let mine = try Self.openSockets()
        let left = try String(decoding: Files.read("/proc/net/tcp"), as: UTF8.self)
            .split(separator: "\n").filter { line in
                let fields = line.split(separator: " ")
                return fields.count > 9 && mine.contains(String(fields[9]))
                    && ports.contains { fields[2].hasSuffix(":" + $0) }
            }
        #expect(left.isEmpty)
    }

    /// The inodes of this process's sockets.
    private static func openSockets() throws -> Set<String> {
        Set(
            try Files.list("/proc/self/fd").compactMap { name in
                var buffer = [CChar](repeating: 0, count: 64)
                guard readlink("/proc/self/fd/\(name)", &buffer, 63) > 0 else { return nil }
                let text = String(
                    decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
                    as: UTF8.self)
                return text.hasPrefix("socket:[") ? String(text.dropFirst(8).dropLast()) : nil
            })
    }
}

extension TunnelEnd {
    var port: UInt16 {
        if case .tcp(let end) = self { return end.port }
        return 0
    }
}
