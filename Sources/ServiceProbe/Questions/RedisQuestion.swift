import MeshModel

/// ECHO of the canary in RESP.
enum RedisQuestion {
    /// Asks; an error reply counts as an answer, but for the one of a server that lets nobody in from outside.
    static func put(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        let canary = try stream.attempt.canary()
        try stream.send(request(canary))
        let answer = try stream.gather(limit: canary.count + 1_024) {
            isWhole($0) || !isReply($0)
        }
        guard isWhole(answer.bytes), let kind = answer.bytes.first else {
            throw answer.failure("it does not answer as Redis does")
        }
        let line = answer.bytes.dropFirst().prefix { $0 != 13 }
        switch kind {
        case UInt8(ascii: "-"):
            let words = shown(line)
            return ProbeEnd(words.hasPrefix("DENIED") ? .refused : .answered, "it says: \(words)")
        case UInt8(ascii: "$"):
            let body = answer.bytes.drop { $0 != 10 }.dropFirst().prefix(canary.count)
            return Array(body) == canary
                ? ProbeEnd(.answered, "it sent the canary back")
                : ProbeEnd(.garbled, "it sent something else back: \(shown(body))")
        default: return ProbeEnd(.answered, "it says: \(shown(line))")
        }
    }

    /// PING where there is no canary.
    static func request(_ canary: [UInt8]) -> [UInt8] {
        if canary.isEmpty { return Probe.redisPing.request(host: "") }
        return Array("*2\r\n$4\r\nECHO\r\n$\(canary.count)\r\n".utf8) + canary + [13, 10]
    }

    private static func isReply(_ bytes: [UInt8]) -> Bool {
        bytes.first.map { "+-:$".utf8.contains($0) } ?? true
    }

    /// Whether the bytes begin with one whole reply of RESP 2 that is no array.
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard let kind = bytes.first, isReply(bytes) else { return false }
        guard let end = bytes.firstIndex(of: 10), end > 1, bytes[end - 1] == 13 else {
            return false
        }
        if kind != UInt8(ascii: "$") { return end < 1_024 }
        let digits = String(decoding: bytes[1..<(end - 1)], as: UTF8.self)
        guard let count = Int(digits), (0...65_536).contains(count) else { return false }
        return bytes.count >= end + 1 + count + 2
    }
}
