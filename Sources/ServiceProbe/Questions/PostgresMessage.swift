import MeshModel

/// Messages of PostgreSQL's protocol, version 3. *Source:* PostgreSQL, "Message Formats".
enum PostgresMessage {
    /// *Shape:* length 8, code 80877103.
    static let sslRequest = Probe.postgresSSLRequest.request(host: "")
    /// *Shape:* `X`, length 4.
    static let terminate: [UInt8] = [UInt8(ascii: "X"), 0, 0, 0, 4]

    /// Who asks: a role that no database has.
    static let user = "meshproof-nobody"

    /// A startup whose application_name is the canary.
    ///
    /// *Shape:* length, 3.0, pairs of C strings, an empty one. The server takes up to 10,000 bytes, PgBouncer 4,096.
    static func startup(canary: [UInt8]) -> [UInt8] {
        var body: [UInt8] = [0, 3, 0, 0]
        func add(_ name: String, _ value: [UInt8]) { body += Array(name.utf8) + [0] + value + [0] }
        add("user", Array(user.utf8))
        add("database", Array("postgres".utf8))
        if !canary.isEmpty { add("application_name", canary) }
        body.append(0)
        let length = UInt32(body.count + 4)
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + body
    }

    /// How long the first message is, its type byte included; nil where it is not there yet, 0 where it is none.
    static func length(_ bytes: [UInt8]) -> Int? {
        guard let kind = bytes.first else { return nil }
        // Only these two can come first: an error, or a word on authentication.
        guard kind == UInt8(ascii: "R") || kind == UInt8(ascii: "E") else { return 0 }
        if bytes.count < 5 { return nil }
        let length = bytes[1..<5].reduce(0) { $0 << 8 | Int($1) }
        return (8...30_000).contains(length) ? length + 1 : 0
    }

    /// What an authentication request asks for. *Source:* PostgreSQL, "Message Formats": those whose names begin with Authentication.
    static func authentication(_ code: Int) -> String {
        switch code {
        case 0: "it lets anybody in without asking (trust)"
        case 3: "it asks for the password in clear"
        case 5: "it asks for an MD5 password"
        case 7, 8, 9: "it asks for GSSAPI or SSPI"
        case 10: "it asks for SASL"
        default: "it asks for authentication \(code)"
        }
    }
}

/// A server's ErrorResponse.
struct PostgresError {
    /// The SQLSTATE.
    var state = ""
    /// The message, in the server's language.
    var message = ""
    /// The function that reported it, which is the same in every language.
    var routine = ""

    /// Reads the body of an `E` message; nil where it is not well-formed.
    ///
    /// *Shape:* fields, each a type byte and a C string, then a zero.
    init?(_ body: some Collection<UInt8>) {
        var rest = Array(body)[...]
        while let kind = rest.popFirst() {
            if kind == 0 {
                if state.utf8.count == 5 { return }
                return nil
            }
            guard let end = rest.firstIndex(of: 0) else { return nil }
            let text = shown(rest[rest.startIndex..<end], limit: 300)
            rest = rest[(end + 1)...]
            switch kind {
            case UInt8(ascii: "C"): state = text
            case UInt8(ascii: "M"): message = text
            case UInt8(ascii: "R"): routine = text
            default: break
            }
        }
        return nil
    }

    /// Whether it is pg_hba.conf, or a pooler's own setting, that does not take this connection as it comes.
    ///
    /// The function tells it from a password or an identity that was not right, for which there is the same SQLSTATE.
    /// Where a service hides it, as some do, the SQLSTATE has to do.
    var isAboutConnection: Bool {
        if state == "28000" { return routine.isEmpty || routine == "ClientAuthentication" }
        // PgBouncer's words; it has no SQLSTATE of its own for this.
        return state == "08P01" && message.contains("SSL required")
    }

    /// Whether it wants a client certificate.
    var isAboutCertificate: Bool {
        isAboutConnection && message.contains("client certificate")
    }

    /// Whether it takes nobody at all now: too many connections, starting, stopping. *Source:* SQLSTATE classes 53, 57, 58.
    var isPassing: Bool { ["53", "57", "58"].contains(String(state.prefix(2))) }
}
