import MeshModel

/// A startup for a user who does not exist. It never gets as far as a password.
enum PostgresQuestion {
    /// In clear, to a server that may answer in clear: whatever is well-formed is an answer.
    static func put(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        switch try start(stream) {
        case .asks(let words): return ProbeEnd(.answered, words)
        case .error(let error): return ProbeEnd(.answered, words(error))
        }
    }

    /// SSLRequest, TLS, and the startup in it.
    static func put(_ socket: ProbeSocket, through context: TLSContext) throws(ProbeEnd) -> ProbeEnd
    {
        if let no = try requestTLS(socket) { return no }
        let stream = try TLSStream(socket, context)
        switch try start(stream) {
        case .asks(let words): return ProbeEnd(.answered, words)
        case .error(let error):
            return ProbeEnd(error.isAboutCertificate ? .refused : .answered, words(error))
        }
    }

    /// In clear, to a server that is to refuse it.
    static func putPlain(_ stream: any ProbeStream) throws(ProbeEnd) -> ProbeEnd {
        switch try start(stream) {
        case .asks(let words): return ProbeEnd(.answered, "without TLS \(words)")
        case .error(let error):
            if error.isAboutConnection { return ProbeEnd(.refused, words(error)) }
            if error.isPassing {
                return ProbeEnd(.failed, "it takes nobody at the moment: \(words(error))")
            }
            return ProbeEnd(.answered, "without TLS \(words(error))")
        }
    }

    /// Asks for TLS; nil where the server begins it now.
    static func requestTLS(_ socket: ProbeSocket) throws(ProbeEnd) -> ProbeEnd? {
        try socket.send(PostgresMessage.sslRequest)
        // One byte and no more: what somebody in between slipped in after it must not be taken for TLS's own.
        let answer = try socket.gather(limit: 1) { !$0.isEmpty }
        switch answer.bytes.first {
        case UInt8(ascii: "S"): return nil
        case UInt8(ascii: "N"): return ProbeEnd(.refused, "it has no TLS")
        default: throw answer.failure("it does not answer an SSLRequest")
        }
    }

    private enum Answer {
        case asks(String)
        case error(PostgresError)
    }

    private static func start(_ stream: any ProbeStream) throws(ProbeEnd) -> Answer {
        let canary = try stream.attempt.canary()
        try stream.send(PostgresMessage.startup(canary: canary))
        let answer = try stream.gather(limit: 32_768) { bytes in
            PostgresMessage.length(bytes).map { bytes.count >= $0 } ?? false
        }
        guard let length = PostgresMessage.length(answer.bytes), length > 0,
            answer.bytes.count >= length
        else { throw answer.failure("it does not answer as PostgreSQL does") }
        let body = answer.bytes[5..<length]
        if answer.bytes[0] == UInt8(ascii: "R") {
            let code = body.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            if code == 0 { try stream.send(PostgresMessage.terminate) }
            return .asks(PostgresMessage.authentication(code))
        }
        guard let error = PostgresError(body) else {
            throw answer.failure("it does not answer as PostgreSQL does")
        }
        return .error(error)
    }

    private static func words(_ error: PostgresError) -> String {
        "it says: \(error.message) (SQLSTATE \(error.state))"
    }
}
