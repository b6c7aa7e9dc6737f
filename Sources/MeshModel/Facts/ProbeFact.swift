/// What came of one probe.
public struct ProbeFact: Codable, Sendable, Equatable {
    /// The order.
    public var order: ProbeOrder
    /// Who put it: a node's name, or `controller`.
    public var vantage: String
    /// When it began.
    public var began: FactTime
    /// When it ended.
    public var ended: FactTime
    /// What came of it.
    public var outcome: Outcome
    /// What happened, for people.
    public var message: String
    /// Our end of each connection that was made.
    public var localEnds: [SocketEndpoint]
    /// *Units:* bytes of payload, all connections together.
    public var sent: UInt64
    /// *Units:* bytes of payload, all connections together.
    public var received: UInt64
    /// What TLS negotiated, where it got that far.
    public var tls: TLSFacts?

    /// What came of a probe.
    public enum Outcome: String, Codable, Sendable, Hashable, CaseIterable {
        /// The service answered as its protocol has it; for `connect` and `knock`, the connection was accepted.
        case answered
        /// The connection was made, and then the service, or a rule of its own, refused: no certificate, no such user, key not taken.
        case refused
        /// The host answered that nothing listens there.
        case closed
        /// No answer came.
        case silent
        /// There is no way there.
        case unreachable
        /// It came to something that does not follow the protocol.
        case garbled
        /// It could not be put.
        case failed
    }

    /// Gathers the parts.
    public init(
        order: ProbeOrder, vantage: String, began: FactTime, ended: FactTime, outcome: Outcome,
        message: String, localEnds: [SocketEndpoint] = [], sent: UInt64 = 0, received: UInt64 = 0,
        tls: TLSFacts? = nil
    ) {
        self.order = order
        self.vantage = vantage
        self.began = began
        self.ended = ended
        self.outcome = outcome
        self.message = message
        self.localEnds = localEnds
        self.sent = sent
        self.received = received
        self.tls = tls
    }
}

/// What a TLS handshake negotiated and showed.
public struct TLSFacts: Codable, Sendable, Equatable {
    /// `TLSv1.3`.
    public var version: String
    /// `TLS_AES_256_GCM_SHA384`.
    public var cipher: String
    /// Whether the chain leads to a trusted authority, is for the name, and is within its dates.
    public var isTrusted: Bool
    /// Why not, in OpenSSL's words; empty where it is.
    public var trustProblem: String
    /// The certificate's subject, for people.
    public var subject: String
    /// Its issuer.
    public var issuer: String
    /// When it ends. *Units:* seconds since 1970.
    public var expires: Double
    /// SHA-256 of the certificate, in hexadecimal.
    public var fingerprint: String
    /// Whether the server asked for a client certificate.
    public var asksForCertificate: Bool

    /// Gathers the parts.
    public init(
        version: String, cipher: String, isTrusted: Bool, trustProblem: String, subject: String,
        issuer: String, expires: Double, fingerprint: String, asksForCertificate: Bool
    ) {
        self.version = version
        self.cipher = cipher
        self.isTrusted = isTrusted
        self.trustProblem = trustProblem
        self.subject = subject
        self.issuer = issuer
        self.expires = expires
        self.fingerprint = fingerprint
        self.asksForCertificate = asksForCertificate
    }
}
