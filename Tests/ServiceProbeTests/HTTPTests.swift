import Glibc
import LinuxSystem
import MeshModel
import ServiceProbe
import Synchronization
import Testing

@Suite("A web service is asked with a canary that is larger than a packet")
struct HTTPTests {
    private func busybox(_ address: String = "127.0.0.1", _ ip: IPAddress = .loopbackIPv4) throws
        -> TestProgram
    {
        let port = try Loopback.freePort()
        return try TestProgram(
            ["busybox", "httpd", "-f", "-p", "\(address):\(port)", "-h", "/usr/share/doc"],
            port: port, address: ip)
    }

    @Test("a real server answers, and a page that is not there is an answer too")
    func answered() throws {
        let server = try busybox()
        let fact = try probe(loopback(server.port), .http(path: "/nowhere", tls: nil))
        #expect(fact.outcome == .answered, "\(fact.message)")
        #expect(fact.message.contains("404"))
        #expect(fact.sent > 3_000 && fact.received > 12)
        #expect(fact.localEnds.map(\.address) == [.loopbackIPv4])
        #expect(fact.vantage == "a" && fact.began.monotonic <= fact.ended.monotonic)
    }

    @Test("over IPv6")
    func ipv6() throws {
        let server = try busybox("[::1]", .loopbackIPv6)
        let end = TunnelEnd.tcp(SocketEndpoint(.loopbackIPv6, server.port))
        let fact = try probe(end, .http(path: "/", tls: nil))
        #expect(fact.outcome == .answered, "\(fact.message)")
        #expect(fact.localEnds.map(\.address) == [.loopbackIPv6])
    }

    @Test("over a unix socket, and what the server sees is the canary in one header")
    func unixSocket() throws {
        let folder = try TestFolder()
        let seen = Mutex<[UInt8]>([])
        let server = try TinyServer(unixPath: "\(folder.path)/socket") { caller in
            var bytes: [UInt8] = []
            while !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
                let more = TinyServer.read(caller)
                if more.isEmpty { return }
                bytes += more
            }
            seen.withLock { [bytes] in $0 = bytes }
            _ = TinyServer.send(caller, Array("HTTP/1.1 204 No Content\r\n\r\n".utf8))
        }
        let fact = try probe(server.end, .http(path: "/health", tls: nil))
        #expect(fact.outcome == .answered, "\(fact.message)")
        #expect(fact.localEnds.isEmpty)
        let text = String(decoding: seen.withLock { $0 }, as: UTF8.self)
        #expect(text.hasPrefix("GET /health HTTP/1.1\r\nHost: localhost\r\n"))
        let header = text.split(separator: "\r\n").first { $0.hasPrefix("X-Meshproof-Canary: ") }
        let count = try #require(header).utf8.count
        #expect((3_000..<8_000).contains(count))
        #expect(text.contains(": \(testCanary).\(testCanary)."))
    }

    @Test("connections come from different ports, and one that is not answered counts on an edge")
    func connections() throws {
        let turn = Mutex(0)
        let server = try TinyServer { caller in
            _ = TinyServer.read(caller)
            let number = turn.withLock { turn in
                turn += 1
                return turn
            }
            if number % 4 != 0 {
                _ = TinyServer.send(caller, Array("HTTP/1.0 200 OK\r\n\r\n".utf8))
            }
        }
        let edge = try probe(server.end, .http(path: "/", tls: nil), connections: 4)
        #expect(edge.outcome == .garbled)
        #expect(edge.message.contains("1 of 4"))
        #expect(Set(edge.localEnds).count == 4)
        let outsider = try probe(
            server.end, .http(path: "/", tls: nil), purpose: .outsider, connections: 4)
        #expect(outsider.outcome == .answered)
    }

    @Test(
        "what could become another request is not sent",
        arguments: [
            "", "page", "/a b", "/\r\nX: y", "/\u{e9}",
        ])
    func badPath(path: String) throws {
        let server = try TinyServer { _ in }
        let fact = try probe(server.end, .http(path: path, tls: nil))
        #expect(fact.outcome == .failed)
        #expect(fact.sent == 0)
    }

    @Test("a canary with a line break is not sent")
    func badCanary() throws {
        let server = try TinyServer { _ in }
        let fact = try probe(server.end, .http(path: "/", tls: nil), canary: "a\r\nb")
        #expect(fact.outcome == .failed && fact.sent == 0)
    }

    @Test("where nothing listens it is closed")
    func closed() throws {
        let port = try Loopback.freePort()
        for question in [ProbeOrder.Question.http(path: "/", tls: nil), .connect, .tcp, .redis] {
            #expect(try probe(loopback(port), question).outcome == .closed)
        }
        #expect(try probe(.unix("/tmp/meshproof-no-such-socket"), .connect).outcome == .closed)
    }
}
