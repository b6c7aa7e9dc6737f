/// A network: an address and how many of its bits count. Host bits are kept as given.
public struct IPPrefix: Hashable, Sendable {
    /// The address, host bits included (`10.0.0.5/24` keeps its 5).
    public let address: IPAddress
    /// How many leading bits count: 0...32 or 0...128.
    public let length: UInt8

    /// A prefix, or nil where `length` exceeds the family's bits.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.bits).contains(length) else { return nil }
        self.address = address
        self.length = UInt8(length)
    }

    /// Hashes address and length; for IPv4 they fit in one word.
    public func hash(into hasher: inout Hasher) {
        if address.family == .ipv6 { hasher.combine(address.high) }
        hasher.combine(address.family == .ipv4 ? address.low | UInt64(length) << 32 : address.low)
        if address.family == .ipv6 { hasher.combine(length) }
    }

    /// The prefix that holds just one address: /32 or /128.
    public init(host address: IPAddress) {
        self.address = address
        length = UInt8(address.family.bits)
    }

    /// Whether this is one single address.
    public var isHost: Bool { Int(length) == address.family.bits }

    /// The same network with its host bits cleared.
    public var network: IPPrefix {
        let mask = mask
        let base = IPAddress(
            family: address.family, high: address.high & mask.high, low: address.low & mask.low)
        return IPPrefix(host: base).widened(to: length)
    }

    /// Whether `other` is in this network. *Units:* families never mix.
    public func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family else { return false }
        let mask = mask
        return (address.high ^ other.high) & mask.high == 0
            && (address.low ^ other.low) & mask.low == 0
    }

    /// Whether the two networks share any address.
    public func overlaps(_ other: IPPrefix) -> Bool {
        length <= other.length ? contains(other.address) : other.contains(address)
    }

    private var mask: (high: UInt64, low: UInt64) {
        let hostBits = address.family.bits - Int(length)
        func cleared(_ count: Int) -> UInt64 { count >= 64 ? 0 : ~0 << UInt64(count) }
        return (cleared(max(hostBits - 64, 0)), cleared(min(hostBits, 64)))
    }

    private func widened(to length: UInt8) -> IPPrefix {
        IPPrefix(address, length: Int(length)) ?? self
    }
}

extension IPPrefix: Comparable, LosslessStringConvertible, Codable {
    /// By address, then the wider first.
    public static func < (left: IPPrefix, right: IPPrefix) -> Bool {
        left.address == right.address ? left.length < right.length : left.address < right.address
    }

    /// `address/length`.
    public var description: String { "\(address)/\(length)" }

    /// Parses `address/length`, the length without leading zeros; nil otherwise.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])),
            let length = decimal(parts[1])
        else { return nil }
        self.init(address, length: length)
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
