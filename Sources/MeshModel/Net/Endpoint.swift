/// An address and a UDP or TCP port, as the kernel knows it.
public struct SocketEndpoint: Hashable, Sendable {
    /// Where.
    public let address: IPAddress
    /// Which port, in host order.
    public let port: UInt16

    /// Pairs an address with a port.
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }
}

/// A host, by name or address, and a port, as an operator writes it; a name is resolved where it is used.
public struct Endpoint: Hashable, Sendable {
    /// A DNS name, or an address in text without brackets.
    public let host: String
    /// Which port, in host order.
    public let port: UInt16

    /// Pairs a host with a port.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The endpoint as the kernel would know it, where `host` is an address and needs no lookup.
    public var literal: SocketEndpoint? {
        IPAddress(host).map { SocketEndpoint($0, port) }
    }
}

extension SocketEndpoint: LosslessStringConvertible, Codable {
    /// `192.0.2.1:51820` or `[2001:db8::1]:51820`.
    public var description: String {
        address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    /// Parses what ``description`` prints; nil otherwise.
    public init?(_ text: String) {
        guard let endpoint = Endpoint(text), let literal = endpoint.literal else { return nil }
        if literal.address.family == .ipv6 && !text.hasPrefix("[") { return nil }
        self = literal
    }

    /// Decodes from text.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder)
    }

    /// Encodes as text.
    public func encode(to encoder: any Encoder) throws {
        try encodeText(self, encoder)
    }
}

extension Endpoint: LosslessStringConvertible, Codable {
    /// `host:port`, an IPv6 address in brackets.
    public var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Parses what ``description`` prints; nil otherwise.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = decimal(text[text.index(after: colon)...]).flatMap(UInt16.init(exactly:))
        else { return nil }
        var host = text[..<colon]
        if host.first == "[" && host.last == "]" {
            host = host.dropFirst().dropLast()
            guard IPAddress(String(host))?.family == .ipv6 else { return nil }
        } else if host.contains(":") {
            return nil
        }
        // Nothing that a log line, a shell or a resolver could take for more than a name.
        let isGraphic = host.utf8.allSatisfy { (33...126).contains($0) && $0 != 91 && $0 != 93 }
        if host.isEmpty || !isGraphic { return nil }
        self.init(host: String(host), port: port)
    }

    /// Decodes from text.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder)
    }

    /// Encodes as text.
    public func encode(to encoder: any Encoder) throws {
        try encodeText(self, encoder)
    }
}
