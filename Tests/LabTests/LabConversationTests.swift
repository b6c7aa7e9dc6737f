import MeshLab
import TestSupport
import Testing

@Suite("A stand-in speaks enough of its protocol, and says what it is")
struct LabConversationTests {
    private let json = #"{"service":"ollama","kind":"ollama","stand_in":true}"# + "\n"

    @Test("Every HTTP request is answered, bodies passed over, pipelined or in single bytes")
    func http() {
        let requests =
            "POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
            + "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        var whole = Conversation(name: "ollama", kind: "ollama")
        let atOnce = text(whole.receive(Array(requests.utf8)))
        var slow = Conversation(name: "ollama", kind: "ollama")
        let bytewise = requests.utf8.map { text(slow.receive([$0])) }.joined()
        #expect(atOnce == bytewise)
        #expect(atOnce.components("HTTP/1.1 200 OK\r\n") == 2)
        #expect(atOnce.components(json) == 2)
        #expect(whole.isOver && slow.isOver)
    }

    @Test("HEAD has no body, and HTTP/1.0 ends the connection")
    func head() {
        var conversation = Conversation(name: "ollama", kind: "ollama")
        let answer = text(conversation.receive(Array("HEAD / HTTP/1.0\r\n\r\n".utf8)))
        #expect(answer.hasSuffix("\r\n\r\n"))
        #expect(conversation.isOver)
    }

    @Test(
        "Redis answers PING in both forms, and nothing else",
        arguments: [
            ("PING\r\n", "+PONG\r\n"), ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
            (
                "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
                "-ERR cache is a meshproof lab stand-in and knows PING only\r\n"
            ),
            ("*x\r\n", "-ERR Protocol error\r\n"), ("*99999999999\r\n", "-ERR Protocol error\r\n"),
            ("*1\r\n$-1\r\n", "-ERR Protocol error\r\n"),
        ])
    func redis(_ request: String, _ answer: String) {
        var conversation = Conversation(name: "cache", kind: "redis")
        #expect(text(conversation.receive(Array(request.utf8))) == answer)
    }

    @Test("Postgres says N to SSLRequest, then refuses to be a database")
    func postgres() {
        var conversation = Conversation(name: "db", kind: "postgres")
        let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]  // length 8, code 80877103
        #expect(conversation.receive(sslRequest) == [UInt8(ascii: "N")])
        let startup: [UInt8] = [0, 0, 0, 9, 0, 3, 0, 0, 0]  // length 9, protocol 3.0, no parameters
        let answer = conversation.receive(startup)
        #expect(answer.first == UInt8(ascii: "E"))
        #expect(answer.count == 1 + Int(answer[3]) << 8 + Int(answer[4]))
        #expect(text(answer).contains("SFATAL\0"))
        #expect(conversation.isOver)
    }

    @Test("A ClientHello gets a handshake_failure alert, clear text on a TLS port a refusal")
    func https() {
        var hello = Conversation(name: "registry", kind: "https")
        #expect(hello.receive([22, 3, 1, 0, 5]) == [21, 3, 3, 0, 2, 2, 40])
        var plain = Conversation(name: "registry", kind: "https")
        let answer = text(plain.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8)))
        #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(plain.isOver)
    }

    @Test("tcp is an echo")
    func echo() {
        var conversation = Conversation(name: "raw", kind: "tcp")
        #expect(conversation.receive([1, 2, 3]) == [1, 2, 3])
    }

    @Test("A head without an end, and random bytes, never hang or pile up")
    func rubbish() {
        var random = SplitMix(7)
        for kind in ["ollama", "redis", "postgres", "https"] {
            for _ in 0..<500 {
                var conversation = Conversation(name: "x", kind: kind)
                for _ in 0..<8 {
                    let count = Int(random.next() % 64)
                    _ = conversation.receive(
                        (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
                }
            }
        }
        var endless = Conversation(name: "x", kind: "ollama")
        _ = endless.receive([UInt8](repeating: 65, count: 70_000))
        #expect(endless.isOver)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(_ part: String) -> Int {
        var count = 0
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(part) { count += 1 }
            rest = rest.dropFirst()
        }
        return count
    }
}
