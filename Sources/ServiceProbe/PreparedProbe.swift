import LinuxSystem
import MeshModel

/// An order with its files read, so that it can be put by somebody who could not read them.
struct PreparedProbe: Sendable {
    let order: ProbeOrder
    /// What TLS is held to, or why it cannot be put.
    let context: Swift.Result<TLSContext?, ProbeEnd>
    /// The file of the node's own key that a tunnel shows.
    let identityFile: String?

    /// Reads what the order needs.
    init(_ order: ProbeOrder, tlsFolder: String, keys: (PublicKey) -> String?) {
        self.order = order
        if case .tunnelElsewhere(let tunnel) = order.question {
            identityFile = keys(tunnel.clientKey)
        } else {
            identityFile = nil
        }
        do throws(ProbeEnd) {
            context = .success(try Self.context(order, tlsFolder))
        } catch {
            context = .failure(error)
        }
    }

    private static func context(
        _ order: ProbeOrder, _ folder: String
    ) throws(ProbeEnd) -> TLSContext? {
        switch order.question {
        case .http(_, let rules), .postgres(let rules):
            return try rules.map { (rules) throws(ProbeEnd) in
                try TLSContext(rules, withCertificate: true, folder: folder)
            }
        case .tls(let rules):
            return try TLSContext(rules, withCertificate: true, folder: folder)
        case .tlsWithoutCertificate(let rules):
            return try TLSContext(rules, withCertificate: false, folder: folder)
        default: return nil
        }
    }

    /// Makes one of the order's connections.
    func put() -> PutProbe {
        let began = ProbeRunner.now()
        let attempt = Attempt(order)
        let end: ProbeEnd
        do throws(ProbeEnd) { end = try ask(attempt, try context.get()) } catch { end = error }
        return PutProbe(
            began: began, ended: ProbeRunner.now(), end: end, localEnd: attempt.localEnd,
            sent: attempt.sent, received: attempt.received, tls: attempt.tls)
    }

    private func ask(_ attempt: Attempt, _ context: TLSContext?) throws(ProbeEnd) -> ProbeEnd {
        switch order.question {
        case .http(let path, let rules):
            let socket = try ProbeSocket(attempt)
            let stream: any ProbeStream = try Self.wrap(socket, context)
            return try HTTPQuestion.put(
                stream, path: path, host: HTTPQuestion.host(order.target, rules))
        case .postgres:
            let socket = try ProbeSocket(attempt)
            if let context { return try PostgresQuestion.put(socket, through: context) }
            return try PostgresQuestion.put(socket)
        case .postgresPlain: return try PostgresQuestion.putPlain(try ProbeSocket(attempt))
        case .redis: return try RedisQuestion.put(try ProbeSocket(attempt))
        case .tls, .tlsWithoutCertificate:
            guard let context else { throw ProbeEnd(.failed, "there is nothing to hold TLS to") }
            return try TLSQuestion.put(try ProbeSocket(attempt), through: context)
        case .plainToTLS: return try PlainQuestion.put(try ProbeSocket(attempt))
        case .nfsNull: return try StreamQuestion.putNFS(try ProbeSocket(attempt))
        case .tcp: return try StreamQuestion.putLine(try ProbeSocket(attempt))
        case .connect:
            _ = try ProbeSocket(attempt)
            return ProbeEnd(.answered, "it takes connections")
        case .knock: return try Knock.put(attempt)
        case .strangerSSH(let user): return try SSHQuestion.stranger(attempt, user: user)
        case .tunnelElsewhere(let tunnel):
            return try SSHQuestion.elsewhere(attempt, tunnel, identityFile: identityFile)
        }
    }

    private static func wrap(
        _ socket: ProbeSocket, _ context: TLSContext?
    ) throws(ProbeEnd) -> any ProbeStream {
        guard let context else { return socket }
        return try TLSStream(socket, context)
    }
}

/// One connection of a probe, over and done with.
struct PutProbe: Sendable {
    var began: FactTime
    var ended: FactTime
    var end: ProbeEnd
    var localEnd: SocketEndpoint?
    var sent: UInt64
    var received: UInt64
    var tls: TLSFacts?
}
