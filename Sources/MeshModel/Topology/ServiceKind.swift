/// What the catalogue knows about one kind of service.
public struct ServiceKind: Sendable, Equatable {
    /// What is spoken on the service's port.
    public enum WireProtocol: String, Sendable, Hashable, Codable, CaseIterable {
        /// HTTP in clear text.
        case http
        /// HTTP over TLS.
        case https
        /// PostgreSQL's own protocol, TLS only where both ends ask for it.
        case postgres
        /// RESP, in clear text unless it is built and configured otherwise.
        case redis
        /// gRPC over HTTP/2, in clear text unless configured otherwise.
        case grpc
        /// NFS over ONC RPC, in clear text without Kerberos or xprtsec.
        case nfs
        /// Something else over TCP.
        case tcp

        /// Whether its bytes can be read on the wire unless somebody configured TLS.
        public var isClearByDefault: Bool { self != .https }
    }

    /// Its name in the topology.
    public let name: String
    /// The port it listens on unless told otherwise; nil where there is no usual one.
    public let port: UInt16?
    /// What is spoken there.
    public let wireProtocol: WireProtocol
    /// How to ask it for a sign of life without changing anything.
    public let probe: Probe
    /// Where it listens when it is installed and started without thought.
    public let usualBind: Service.Bind
    /// Further ports that the same program usually opens; each is one more way in.
    public let otherPorts: [UInt16]
    /// How it is usually found exposed, in one sentence.
    public let exposure: String
    /// What goes wrong when a stranger reaches it, one sentence each.
    public let risks: [String]
}

/// A harmless question to a service: it reads, needs no credentials and leaves nothing behind.
public enum Probe: Sendable, Hashable {
    /// An HTTP GET; any answer with a status line counts. TLS first where `tls`.
    case get(path: String, tls: Bool)
    /// PostgreSQL's SSLRequest; the answer is one byte, `S` or `N`.
    ///
    /// *Source:* PostgreSQL, "Message Formats": length 8, code 80877103.
    case postgresSSLRequest
    /// `PING`; a `+PONG` or an error reply counts.
    case redisPing
    /// The NULL procedure of NFS version 4. *Source:* RFC 5531 section 12, RFC 7530 section 16.1.
    case nfsNull
    /// A TCP connection, closed again without a byte.
    case connect

    /// The bytes to send once connected; empty where connecting is all.
    ///
    /// *Shape:* for `get`, an HTTP/1.1 request that asks the server to close; `host` goes into its Host line.
    public func request(host: String) -> [UInt8] {
        switch self {
        case .get(let path, _):
            Array(
                "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: meshproof\r\nAccept: */*\r\nConnection: close\r\n\r\n"
                    .utf8)
        case .postgresSSLRequest:
            [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]
        case .redisPing:
            Array("*1\r\n$4\r\nPING\r\n".utf8)
        case .nfsNull:
            // Record mark (last fragment, 40 bytes), then xid, CALL, RPC 2, program 100003, version 4,
            // procedure 0, and two empty AUTH_NONE fields.
            [
                0x80, 0, 0, 40, 0x6d, 0x70, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa3, 0, 0, 0,
                4,
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ]
        case .connect:
            []
        }
    }
}
