import MeshModel

/// TCP segments made and read by hand. Pure.
///
/// *Source:* RFC 791, RFC 8200 section 8.1, RFC 9293 section 3.1.
struct KnockPacket: Equatable {
    var source: SocketEndpoint
    var destination: SocketEndpoint
    /// The SYN's sequence number.
    var sequence: UInt32

    /// What an answer is.
    enum Answer: Equatable {
        /// SYN and ACK: something listens.
        case open
        /// RST: nothing does.
        case closed
    }

    /// What is sent.
    enum Kind {
        /// The knock.
        case syn
        /// What takes it back, so that no half of a connection is left behind.
        case reset
    }

    /// The TCP segment, with its checksum and an MSS that fits every link.
    func segment(_ kind: Kind) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes += Self.big(source.port) + Self.big(destination.port)
        bytes += Self.big(kind == .syn ? sequence : sequence &+ 1) + [0, 0, 0, 0]
        // Six words of header, SYN or RST, a window, no checksum yet, not urgent; then the option MSS 1220.
        bytes += [6 << 4, kind == .syn ? 0x02 : 0x04] + Self.big(UInt16(64_240)) + [0, 0, 0, 0]
        bytes += [2, 4] + Self.big(UInt16(1_220))
        let sum = Self.checksum(pseudoHeader(bytes.count) + bytes)
        bytes.replaceSubrange(16..<18, with: Self.big(sum))
        return bytes
    }

    /// The whole IP packet.
    func packet(_ kind: Kind) -> [UInt8] {
        let segment = segment(kind)
        if source.address.family == .ipv6 {
            return [0x60, 0, 0, 0] + Self.big(UInt16(segment.count)) + [6, 64]
                + source.address.bytes + destination.address.bytes + segment
        }
        // Version 4, five words; the identification is 0, as it may be where fragments are forbidden (RFC 6864).
        var header: [UInt8] = [0x45, 0] + Self.big(UInt16(20 + segment.count)) + [0, 0]
        header += [0x40, 0, 64, 6, 0, 0] + source.address.bytes + destination.address.bytes
        header.replaceSubrange(10..<12, with: Self.big(Self.checksum(header)))
        return header + segment
    }

    private func pseudoHeader(_ count: Int) -> [UInt8] {
        let addresses = source.address.bytes + destination.address.bytes
        return source.address.family == .ipv4
            ? addresses + [0, 6] + Self.big(UInt16(count))
            : addresses + Self.big(UInt32(count)) + [0, 0, 0, 6]
    }

    /// What an IP packet says to this knock; nil where it has nothing to do with it.
    func answer(inPacket bytes: [UInt8]) -> Answer? {
        guard let first = bytes.first else { return nil }
        if source.address.family == .ipv4 {
            let header = Int(first & 15) * 4
            guard first >> 4 == 4, header >= 20, bytes.count >= header + 20, bytes[9] == 6,
                bytes[6] & 0x1f == 0, bytes[7] == 0,
                Array(bytes[12..<16]) == destination.address.bytes,
                Array(bytes[16..<20]) == source.address.bytes
            else { return nil }
            return answer(inSegment: Array(bytes[header...]))
        }
        // An answer to a SYN has no extension headers but in a lab of their own.
        guard first >> 4 == 6, bytes.count >= 60, bytes[6] == 6,
            Array(bytes[8..<24]) == destination.address.bytes,
            Array(bytes[24..<40]) == source.address.bytes
        else { return nil }
        return answer(inSegment: Array(bytes[40...]))
    }

    /// What a TCP segment from the other end says to this knock.
    func answer(inSegment bytes: [UInt8]) -> Answer? {
        guard bytes.count >= 20, Array(bytes[0..<2]) == Self.big(destination.port),
            Array(bytes[2..<4]) == Self.big(source.port),
            Array(bytes[8..<12]) == Self.big(sequence &+ 1)
        else { return nil }
        // *Shape:* FIN 1, SYN 2, RST 4, ACK 16.
        switch bytes[13] & 0x17 {
        case 0x12: return .open
        case 0x04, 0x14: return .closed
        default: return nil
        }
    }

    /// The Internet checksum. *Source:* RFC 1071.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let low = index + 1 < bytes.count ? bytes[index + 1] : 0
            sum += UInt32(bytes[index]) << 8 | UInt32(low)
        }
        while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
        return ~UInt16(sum)
    }

    private static func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        stride(from: Number.bitWidth - 8, through: 0, by: -8).map {
            UInt8(truncatingIfNeeded: number >> Number($0))
        }
    }
}
