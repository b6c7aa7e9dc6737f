/// What a stand-in says to what it is sent, without any input or output of its own.
///
/// It speaks just enough of a protocol for a client or a probe to see that something answers there, and always says
/// that it is a stand-in.
public struct Conversation: Sendable {
    private enum Manner: Sendable {
        case http
        case https
        case redis
        case postgres
        case echo
    }

    private let manner: Manner
    private let name: String
    private let kind: String
    private var input: [UInt8] = []
    /// Bytes of a request's body that are still to be passed over.
    private var body = 0
    /// Whether the stand-in hangs up once what it said is out.
    public private(set) var isOver = false

    /// A fresh conversation with the stand-in for a service called `name`, of a kind of the catalogue.
    public init(name: String, kind: String) {
        self.name = name
        self.kind = kind
        manner =
            switch kind {
            case "https": .https
            case "redis": .redis
            case "postgres": .postgres
            case "tcp", "nfs": .echo
            default: .http
            }
    }

    /// Takes in what the other side sent, and gives what is to be answered.
    public mutating func receive(_ bytes: some Collection<UInt8>) -> [UInt8] {
        if isOver { return [] }
        if manner == .echo { return Array(bytes) }
        input += bytes
        var answer: [UInt8] = []
        while !isOver, let next = step() { answer += next }
        if input.count > 1 << 16 { isOver = true }
        return answer
    }

    /// The answer to the first whole request in `input`, which it removes; nil where there is none.
    private mutating func step() -> [UInt8]? {
        switch manner {
        case .echo: nil
        case .http: http(status: "200 OK")
        case .https: https()
        case .redis: redis()
        case .postgres: postgres()
        }
    }

    private mutating func http(status: String) -> [UInt8]? {
        if body > 0 {
            let passed = min(body, input.count)
            input.removeFirst(passed)
            body -= passed
            if body > 0 { return nil }
        }
        let separator = Array("\r\n\r\n".utf8)
        guard let end = find(separator) else { return nil }
        let head = String(decoding: input[..<end], as: UTF8.self)
        input.removeFirst(end + separator.count)
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let request = lines.first.map(String.init) ?? ""
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].drop { $0 == " " }
            switch parts[0].lowercased() {
            case "content-length": body = max(Int(value) ?? 0, 0)
            case "connection" where value.lowercased() == "close": isOver = true
            default: break
            }
        }
        if request.hasSuffix(" HTTP/1.0") { isOver = true }
        let text = #"{"service":"\#(name)","kind":"\#(kind)","stand_in":true}"# + "\n"
        let answer =
            "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nServer: meshproof-lab\r\n"
            + "Content-Length: \(text.utf8.count)\r\n\(isOver ? "Connection: close\r\n" : "")\r\n"
        return Array((request.hasPrefix("HEAD ") ? answer : answer + text).utf8)
    }

    /// A stand-in has no certificate: a ClientHello (content type 22) is answered with the fatal alert
    /// `handshake_failure` (RFC 8446 section 6.2), clear text with a refusal.
    private mutating func https() -> [UInt8]? {
        guard let first = input.first else { return nil }
        if first == 22 {
            isOver = true
            return [21, 3, 3, 0, 2, 2, 40]
        }
        let answer = http(status: "400 Bad Request")
        if answer != nil { isOver = true }
        return answer
    }

    /// PING in RESP or inline form; anything else is an error. *Source:* the Redis serialisation protocol.
    private mutating func redis() -> [UInt8]? {
        guard let end = find([13, 10]) else { return nil }
        let line = String(decoding: input[..<end], as: UTF8.self)
        if line.first == "*" {
            guard let count = Int(line.dropFirst()), (0...64).contains(count) else { return quit() }
            var rest = input[(end + 2)...]
            var words: [String] = []
            for _ in 0..<count {
                guard let stop = position([13, 10], in: rest) else { return nil }
                let header = String(decoding: rest[rest.startIndex..<stop], as: UTF8.self)
                guard header.first == "$", let length = Int(header.dropFirst()),
                    (0...4096).contains(length)
                else { return quit() }
                let start = stop + 2
                guard rest.endIndex - start >= length + 2 else { return nil }
                words.append(String(decoding: rest[start..<(start + length)], as: UTF8.self))
                rest = rest[(start + length + 2)...]
            }
            input = Array(rest)
            return reply(words)
        }
        input.removeFirst(end + 2)
        return reply(line.split(separator: " ").map(String.init))
    }

    private func reply(_ words: [String]) -> [UInt8] {
        guard let command = words.first else { return [] }
        if command.uppercased() == "PING" { return Array("+PONG\r\n".utf8) }
        return Array("-ERR \(name) is a meshproof lab stand-in and knows PING only\r\n".utf8)
    }

    private mutating func quit() -> [UInt8] {
        isOver = true
        return Array("-ERR Protocol error\r\n".utf8)
    }

    /// `N` to SSLRequest (80877103) and GSSENCRequest (80877104), an error to anything else.
    ///
    /// *Source:* PostgreSQL documentation, "Message Formats"; lengths are big-endian and count themselves.
    private mutating func postgres() -> [UInt8]? {
        guard input.count >= 8 else { return nil }
        let words = [0, 4].map { start in
            input[start..<(start + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        if words[0] == 8 && (words[1] == 80_877_103 || words[1] == 80_877_104) {
            input.removeFirst(8)
            return [UInt8(ascii: "N")]
        }
        isOver = true
        let fields = "SFATAL\0VFATAL\0C0A000\0M\(name) is a meshproof lab stand-in, no database\0\0"
        let length = UInt32(fields.utf8.count + 4)
        let header = (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) }
        return [UInt8(ascii: "E")] + header + Array(fields.utf8)
    }

    private func find(_ pattern: [UInt8]) -> Int? { position(pattern, in: input[...]) }

    private func position(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - pattern.count)).first {
            bytes[$0..<($0 + pattern.count)].elementsEqual(pattern)
        }
    }
}
