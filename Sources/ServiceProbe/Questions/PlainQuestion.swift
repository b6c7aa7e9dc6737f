import MeshModel

/// A plain request to a port that is to speak TLS alone.
enum PlainQuestion {
    /// Puts ``ProbeOrder/Question/plainToTLS``. Only what is known to be a refusal is one.
    static func put(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        switch stream.attempt.order.speaks ?? .http {
        case .postgres: return try PostgresQuestion.putPlain(stream)
        case .redis:
            try stream.send(RedisQuestion.request(try stream.attempt.canary()))
        case .http, .https, .grpc, .nfs, .tcp:
            try stream.send(
                try HTTPQuestion.request(
                    stream.attempt, path: "/",
                    host: HTTPQuestion.host(stream.attempt.order.target, nil)))
        }
        var answer = try stream.gather {
            isAlert($0) || HTTPQuestion.isHeadWhole($0) || RedisQuestion.isWhole($0)
        }
        if isAlert(answer.bytes) {
            return ProbeEnd(.refused, "it answers with a TLS alert")
        }
        if answer.bytes.isEmpty && !answer.ending.isEmpty {
            return ProbeEnd(.refused, "it took the connection and \(answer.ending) without a word")
        }
        if let status = HTTPQuestion.status(answer.bytes) {
            if answer.ending.isEmpty, status == 400 {
                answer.bytes += try stream.gather { pointsToTLS(status, $0) }.bytes
            }
            return pointsToTLS(status, answer.bytes)
                ? ProbeEnd(.refused, "HTTP status \(status), and it points to TLS")
                : ProbeEnd(.answered, "without TLS it answers with HTTP status \(status)")
        }
        if RedisQuestion.isWhole(answer.bytes) {
            return ProbeEnd(.answered, "without TLS it says: \(shown(answer.bytes))")
        }
        throw answer.failure("neither a TLS alert nor HTTP")
    }

    /// *Shape:* content type 21, version 3.x, length 2. *Source:* RFC 5246 section 6.2.1.
    private static func isAlert(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 7 && bytes[0] == 21 && bytes[1] == 3 && bytes[3] == 0 && bytes[4] == 2
    }

    /// Whether an answer in clear says no more than that TLS is wanted.
    ///
    /// *Source:* nginx ("plain HTTP request was sent to HTTPS port"), Go ("Client sent an HTTP request to an HTTPS
    /// server"), Apache ("speaking plain HTTP to an SSL-enabled server port"); RFC 9110 section 15.5.22 for 426.
    private static func pointsToTLS(_ status: Int, _ bytes: [UInt8]) -> Bool {
        switch status {
        case 426: true
        case 301, 302, 307, 308:
            HTTPQuestion.contains(bytes, "ocation: https://")
        case 400:
            ["to HTTPS port", "to an HTTPS server", "SSL-enabled server port"].contains {
                HTTPQuestion.contains(bytes, $0)
            }
        default: false
        }
    }
}
