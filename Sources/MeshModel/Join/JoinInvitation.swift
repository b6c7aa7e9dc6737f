/// What a token for one node's joining says, but for its secret. Pure.
public struct JoinInvitation: Sendable, Equatable {
    /// Names the token; tells nothing of its secret.
    public var id: [UInt8]
    /// The mesh.
    public var mesh: String
    /// The name that the node is to have.
    public var node: String
    /// Where the controller, or a relay of it, is dialled: addresses or names, in the order in which they are tried.
    public var hosts: [String]
    /// The TCP port there.
    public var port: UInt16
    /// When it is over. *Units:* seconds since 1970.
    public var expires: Int64
    /// The key that the node is to pin.
    public var controllerKey: PublicKey

    /// The length of ``id``. *Units:* bytes.
    public static let idLength = 16
    /// How many places to dial there may be.
    public static let hostLimit = 4

    /// Gathers the parts.
    public init(
        id: [UInt8], mesh: String, node: String, hosts: [String], port: UInt16, expires: Int64,
        controllerKey: PublicKey
    ) {
        self.id = id
        self.mesh = mesh
        self.node = node
        self.hosts = hosts
        self.port = port
        self.expires = expires
        self.controllerKey = controllerKey
    }

    /// *Shape:* id (16), controller key (32), expiry (8, big-endian), port (2, big-endian), then mesh, node and hosts,
    /// each one byte of length and so many of UTF-8; one byte counts the hosts.
    public var bytes: [UInt8] {
        func text(_ text: String) -> [UInt8] { [UInt8(clamping: text.utf8.count)] + text.utf8 }
        let expiry = UInt64(bitPattern: expires)
        return id + controllerKey.bytes
            + (0..<8).reversed().map { UInt8(truncatingIfNeeded: expiry >> UInt64($0 * 8)) }
            + [UInt8(port >> 8), UInt8(port & 255)] + text(mesh) + text(node)
            + [UInt8(clamping: hosts.count)] + hosts.flatMap(text)
    }

    /// Reads ``bytes``; nil for anything that no ``bytes`` can be.
    ///
    /// Names become parts of paths and of messages: a mesh and a node that are no DNS labels are refused, and so is a
    /// host with anything in it but what names and addresses are made of.
    public init?(bytes: some Sequence<UInt8>) {
        var reader = InvitationReader(bytes: Array(bytes))
        guard let id = reader.take(Self.idLength), let key = reader.take(32),
            let controllerKey = PublicKey(bytes: key), let expiry = reader.number(8),
            let port = reader.number(2), port > 0, let mesh = reader.text(),
            let node = reader.text(),
            let count = reader.number(1), (1...UInt64(Self.hostLimit)).contains(count)
        else { return nil }
        var hosts: [String] = []
        for _ in 0..<count {
            guard let host = reader.text(), Self.isHost(host) else { return nil }
            hosts.append(host)
        }
        // 2^40 seconds are 34,000 years: above that somebody plays with overflow.
        guard reader.isAtEnd, Self.isLabel(mesh, limit: 11), Self.isLabel(node, limit: 63),
            controllerKey != .zero, expiry < 1 << 40
        else { return nil }
        self.init(
            id: id, mesh: mesh, node: node, hosts: hosts, port: UInt16(port),
            expires: Int64(expiry), controllerKey: controllerKey)
    }

    private static func isLabel(_ text: String, limit: Int) -> Bool {
        (1...limit).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.last != UInt8(ascii: "-")
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// Whether `text` can be a host's name or address; a leading hyphen could be taken for an option.
    public static func isHost(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (48...58).contains($0)
                    || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
                    || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "%")
            }
    }
}

/// Takes an invitation's bytes apart.
private struct InvitationReader {
    let bytes: [UInt8]
    var place = 0

    var isAtEnd: Bool { place == bytes.count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count <= bytes.count - place else { return nil }
        defer { place += count }
        return Array(bytes[place..<place + count])
    }

    mutating func number(_ count: Int) -> UInt64? {
        take(count).map { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    }

    mutating func text() -> String? {
        guard let length = number(1), let bytes = take(Int(length)) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
