/// One question that a node, or the controller, is to put to a service on the network. Harmless: it reads, and leaves nothing behind.
public struct ProbeOrder: Codable, Sendable, Equatable {
    /// Names it within the run.
    public var id: String
    /// The edge that it is about, or nil where it is about a `forbid` line.
    public var edge: String?
    /// The `forbid` line that it is about, `phone->postgres`, or nil.
    public var forbid: String?
    /// Why it is put.
    public var purpose: Purpose
    /// Where to.
    public var target: TunnelEnd
    /// What to say.
    public var question: Question
    /// The text to send along where the protocol has room for it; empty for none.
    public var canary: String
    /// How many connections to make, each from another source port. At least 1.
    public var connections: Int
    /// The user to be meanwhile, or nil for root.
    public var user: UInt32?
    /// When to give up. *Units:* seconds.
    public var timeout: Double
    /// For ``Question/knock``: the hardware address to send to, `02:00:00:00:00:01`, past all routes; nil for the usual way.
    public var hardwareAddress: String?
    /// For ``Question/knock`` past all routes: the link to send by; nil for the one that the neighbour table names for
    /// ``hardwareAddress``, else the default route's.
    public var device: String?
    /// For ``Question/knock`` past all routes: our address; nil for the device's own.
    public var source: IPAddress?
    /// What the service speaks, where the question itself does not say it (``Question/tls(_:)``,
    /// ``Question/tlsWithoutCertificate(_:)``, ``Question/plainToTLS``); nil for HTTP.
    public var speaks: ServiceKind.WireProtocol?

    /// Why a probe is put.
    public enum Purpose: String, Codable, Sendable, Hashable, CaseIterable {
        /// The edge must work; its canary shows where it goes.
        case edge
        /// Somebody whom the topology does not let in must stay outside.
        case outsider
        /// A rule of the edge's own must hold: a client certificate, TLS where it is required, a tunnel's one target.
        case refusal
        /// A `forbid` line must hold.
        case forbidden
    }

    /// What is said.
    public enum Question: Codable, Sendable, Hashable {
        /// An HTTP GET with the canary in a header; TLS first where `tls` is given.
        case http(path: String, tls: TLSCase?)
        /// SSLRequest, then, over TLS where `tls` is given, a startup for a user who does not exist, with the canary as its name.
        case postgres(tls: TLSCase?)
        /// A startup in clear text, which a server that requires TLS must refuse.
        ///
        /// pg_hba.conf may tell users and databases apart: what is refused here is a user who does not exist, in the
        /// database `postgres`. A line for one user alone, as in `host app app`, stays unseen.
        case postgresPlain
        /// ECHO of the canary; an error reply counts as an answer.
        case redis
        /// A TLS handshake, the canary, and a read after it: in TLS 1.3 a missing client certificate is told only there.
        case tls(TLSCase)
        /// A TLS handshake without a client certificate, and a read after it.
        case tlsWithoutCertificate(TLSCase)
        /// A plain request to a port that speaks TLS.
        case plainToTLS
        /// The NULL procedure of NFS version 4.
        case nfsNull
        /// A TCP connection, the canary, and a short read.
        case tcp
        /// A TCP connection, and nothing else.
        case connect
        /// A SYN by hand, answered or not; the connection is never made.
        case knock
        /// An SSH login at a tunnel server with a key made for the purpose: it must be refused.
        case strangerSSH(user: String)
        /// With the node's own tunnel key, a channel to the order's target, which that key is not granted: it must be
        /// refused. The session goes to the tunnel's server.
        case tunnelElsewhere(tunnel: DesiredTunnel)
    }

    /// Gathers the parts.
    public init(
        id: String, edge: String?, forbid: String? = nil, purpose: Purpose, target: TunnelEnd,
        question: Question, canary: String, connections: Int = 1, user: UInt32? = nil,
        timeout: Double, hardwareAddress: String? = nil, device: String? = nil,
        source: IPAddress? = nil, speaks: ServiceKind.WireProtocol? = nil
    ) {
        self.id = id
        self.edge = edge
        self.forbid = forbid
        self.purpose = purpose
        self.target = target
        self.question = question
        self.canary = canary
        self.connections = connections
        self.user = user
        self.timeout = timeout
        self.hardwareAddress = hardwareAddress
        self.device = device
        self.source = source
        self.speaks = speaks
    }
}
