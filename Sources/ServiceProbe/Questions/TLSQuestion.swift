import MeshModel

/// TLS, then a request in it and what comes of it: only there TLS 1.3 tells that a client certificate is missing.
enum TLSQuestion {
    /// Puts ``ProbeOrder/Question/tls(_:)`` or ``ProbeOrder/Question/tlsWithoutCertificate(_:)``.
    static func put(_ socket: ProbeSocket, through context: TLSContext) throws(ProbeEnd) -> ProbeEnd
    {
        let order = socket.attempt.order
        switch order.speaks ?? .http {
        case .postgres: return try PostgresQuestion.put(socket, through: context)
        case .redis:
            let stream = try TLSStream(socket, context)
            return try judge(stream, context) { () throws(ProbeEnd) in
                try RedisQuestion.put(stream)
            }
        case .http, .https:
            let stream = try TLSStream(socket, context)
            return try judge(stream, context) { () throws(ProbeEnd) in
                try askHTTP(stream, host: HTTPQuestion.host(order.target, context.rules))
            }
        // Something of which we know no request: the canary as a line, and whatever comes back.
        case .grpc, .nfs, .tcp:
            let stream = try TLSStream(socket, context)
            return try judge(stream, context) { () throws(ProbeEnd) in
                try askAnything(stream)
            }
        }
    }

    /// That a server hangs up without a word is no refusal: an alert would have said so.
    private static func judge(
        _ stream: TLSStream, _ context: TLSContext, _ ask: () throws(ProbeEnd) -> ProbeEnd
    ) throws(ProbeEnd) -> ProbeEnd {
        do throws(ProbeEnd) { return try ask() } catch {
            guard error.outcome == .garbled, stream.attempt.received == 0 else { throw error }
            throw ProbeEnd(
                .silent, "after the TLS handshake it ended the connection without alert or answer")
        }
    }

    private static func askHTTP(_ stream: TLSStream, host: String) throws(ProbeEnd) -> ProbeEnd {
        try stream.send(try HTTPQuestion.request(stream.attempt, path: "/", host: host))
        let answer = try stream.gather { HTTPQuestion.isHeadWhole($0) }
        // Whatever came through TLS is the service's answer, HTTP or not.
        if answer.bytes.isEmpty { throw answer.failure("") }
        guard let status = HTTPQuestion.status(answer.bytes) else {
            return ProbeEnd(.answered, "through TLS it says: \(shown(answer.bytes))")
        }
        // nginx finishes the handshake and refuses in HTTP.
        if stream.asksForCertificate, case .tlsWithoutCertificate = stream.attempt.order.question,
            (400...499).contains(status)
        {
            let body = try answer.bytes + stream.gather { saysCertificate($0) }.bytes
            if saysCertificate(body) {
                return ProbeEnd(.refused, "HTTP status \(status), for want of a certificate")
            }
        }
        return ProbeEnd(.answered, "HTTP status \(status)")
    }

    private static func saysCertificate(_ bytes: [UInt8]) -> Bool {
        // *Source:* nginx, ngx_http_special_response.c: "No required SSL certificate was sent".
        HTTPQuestion.contains(bytes, "SSL certificate was sent")
            || HTTPQuestion.contains(bytes, "SSL Certificate Required")
    }

    private static func askAnything(_ stream: TLSStream) throws(ProbeEnd) -> ProbeEnd {
        let canary = try stream.attempt.canary()
        try stream.send(canary.isEmpty ? [10] : canary + [10])
        let answer = try stream.gather { !$0.isEmpty }
        if answer.bytes.isEmpty { throw answer.failure("") }
        return ProbeEnd(.answered, "through TLS it says: \(shown(answer.bytes))")
    }
}
