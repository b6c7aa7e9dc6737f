/// An IPv4 or IPv6 address, as a value that sorts and hashes cheaply.
///
/// *Shape:* an IPv4 address is the low 32 bits of `low`. Text follows RFC 5952 for IPv6.
public struct IPAddress: Hashable, Sendable {
    /// The two families.
    public enum Family: UInt8, Hashable, Sendable, Codable {
        /// 32-bit addresses.
        case ipv4 = 4
        /// 128-bit addresses.
        case ipv6 = 6

        /// Bits in an address: 32 or 128.
        public var bits: Int { self == .ipv4 ? 32 : 128 }
    }

    /// Which family this address belongs to.
    public let family: Family
    /// The upper 64 bits of an IPv6 address, else 0.
    public let high: UInt64
    /// The lower 64 bits.
    public let low: UInt64

    /// An address from its halves; for IPv4 only the low 32 bits count.
    public init(family: Family, high: UInt64, low: UInt64) {
        self.family = family
        self.high = family == .ipv4 ? 0 : high
        self.low = family == .ipv4 ? low & 0xffff_ffff : low
    }

    /// An IPv4 address from its 32 bits in host order.
    public init(ipv4 bits: UInt32) {
        self.init(family: .ipv4, high: 0, low: UInt64(bits))
    }

    /// An address from 4 or 16 bytes in network order, else nil.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4:
            self.init(ipv4: bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            let high = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let low = bytes.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            self.init(family: .ipv6, high: high, low: low)
        default:
            return nil
        }
    }

    /// The 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        let all = [high, low].flatMap { half in
            (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) }
        }
        return family == .ipv4 ? Array(all[12...]) : all
    }

    /// 127.0.0.1.
    public static let loopbackIPv4 = IPAddress(ipv4: 0x7f00_0001)
    /// ::1.
    public static let loopbackIPv6 = IPAddress(family: .ipv6, high: 0, low: 1)
    /// 0.0.0.0, every IPv4 address where something listens on it.
    public static let anyIPv4 = IPAddress(ipv4: 0)
    /// ::, every IPv6 address where something listens on it.
    public static let anyIPv6 = IPAddress(family: .ipv6, high: 0, low: 0)

    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        family == .ipv4 ? low >> 24 == 127 : high == 0 && low == 1
    }

    /// 169.254.0.0/16 or fe80::/10.
    public var isLinkLocal: Bool {
        family == .ipv4 ? low >> 16 == 0xa9fe : high >> 54 == 0x3fa
    }

    /// 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool {
        family == .ipv4 ? low >> 28 == 0xe : high >> 56 == 0xff
    }

    /// The address `offset` further on, or nil past the end of the family.
    public func advanced(by offset: UInt64) -> IPAddress? {
        let (sum, carry) = low.addingReportingOverflow(offset)
        if family == .ipv4 {
            return carry || sum > 0xffff_ffff ? nil : IPAddress(family: .ipv4, high: 0, low: sum)
        }
        if carry && high == .max { return nil }
        return IPAddress(family: .ipv6, high: carry ? high + 1 : high, low: sum)
    }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then by value.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        (left.family.rawValue, left.high, left.low) < (right.family.rawValue, right.high, right.low)
    }
}

extension IPAddress: LosslessStringConvertible, Codable {
    /// Dotted decimal, or RFC 5952 text.
    public var description: String {
        family == .ipv4 ? IPText.ipv4(low) : IPText.ipv6(high: high, low: low)
    }

    /// Parses strict dotted decimal (no leading zeros) or RFC 4291 text without a zone; nil otherwise.
    public init?(_ text: String) {
        guard let address = IPText.parse(text) else { return nil }
        self = address
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

/// Decodes a value from the string it prints as.
func decodeText<Value: LosslessStringConvertible>(_ decoder: any Decoder) throws -> Value {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Value(text) else {
        throw DecodingError.dataCorruptedError(
            in: container, debugDescription: "not a valid \(Value.self)")
    }
    return value
}

/// Encodes a value as the string it prints as.
func encodeText(_ value: some LosslessStringConvertible, _ encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value.description)
}
