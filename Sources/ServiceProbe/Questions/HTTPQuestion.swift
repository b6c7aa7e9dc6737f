import LinuxSystem
import MeshModel

/// A GET with the canary in a header.
enum HTTPQuestion {
    /// Asks, and reads the answer's first 64 KiB.
    static func put(_ stream: any ProbeStream, path: String, host: String) throws(ProbeEnd)
        -> ProbeEnd
    {
        try stream.send(try request(stream.attempt, path: path, host: host))
        var answer = try stream.gather { isHeadWhole($0) }
        guard let status = status(answer.bytes) else {
            throw answer.failure("it does not answer as HTTP does")
        }
        // The rest only makes the exchange larger; what comes late is not waited for.
        let grace = Clocks.monotonic() + 0.3
        answer.bytes += try rest(of: stream, after: answer, until: grace)
        return ProbeEnd(.answered, "HTTP status \(status)")
    }

    private static func rest(
        of stream: any ProbeStream, after answer: Gathered, until moment: Double
    ) throws(ProbeEnd) -> [UInt8] {
        if !answer.ending.isEmpty { return [] }
        let left = 65_536 - answer.bytes.count
        do throws(ProbeEnd) {
            return try stream.gather(limit: left, until: moment) { _ in false }.bytes
        } catch {
            // An alert after an answer is a refusal all the same.
            if error.outcome == .refused { throw error }
            return []
        }
    }

    /// *Shape:* its header line is longer than two packets, and shorter than the 8,000 bytes that most servers take.
    static func request(_ attempt: Attempt, path: String, host: String) throws(ProbeEnd) -> [UInt8]
    {
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
            path.utf8.count <= 2_000
        else { throw ProbeEnd(.failed, "\(shown(path.utf8)) is no path of a page") }
        let canary = try attempt.canary()
        let lines =
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: meshproof\r\nAccept: */*\r\n"
        return Array(lines.utf8)
            + (canary.isEmpty ? [] : Array("X-Meshproof-Canary: ".utf8) + canary + [13, 10])
            + Array("Connection: close\r\n\r\n".utf8)
    }

    /// What goes into the Host line.
    static func host(_ target: TunnelEnd, _ rules: TLSCase?) -> String {
        if let name = rules?.name, IPAddress(name) == nil { return name }
        switch target {
        case .tcp(let end):
            return end.description
        case .unix: return "localhost"
        }
    }

    /// The three digits of a status line, or nil where the bytes do not begin with one.
    static func status(_ bytes: [UInt8]) -> Int? {
        let line = bytes.prefix(13)
        // *Source:* RFC 9112 section 4: HTTP-version, a space, three digits.
        guard line.count >= 12, line.starts(with: Array("HTTP/1.".utf8)), line[8] == 0x20,
            bytes.contains(10)
        else { return nil }
        let digits = line[9..<12]
        guard digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    /// Whether the header has ended, or can never begin.
    static func isHeadWhole(_ bytes: [UInt8]) -> Bool {
        let start = Array("HTTP/1.".utf8)
        if !bytes.isEmpty, !bytes.starts(with: start.prefix(bytes.count)) { return true }
        return contains(bytes, "\r\n\r\n") || contains(bytes, "\n\n")
    }

    /// Whether bytes hold a text.
    static func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard let first = wanted.first, bytes.count >= wanted.count else { return false }
        return bytes.indices.dropLast(wanted.count - 1).contains { index in
            bytes[index] == first && bytes[index...].starts(with: wanted)
        }
    }
}
