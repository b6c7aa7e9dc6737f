/// The shapes of WireGuard's four messages, which is all that an onlooker can know of them.
///
/// *Shape:* a type byte, three zero bytes, and a UDP length (its own 8 bytes included) of 156, 100, 72, or at least 40.
/// A data message need not be a multiple of 16: the padding stops at the interface's MTU.
/// *Source:* the WireGuard paper, 5.4; `calculate_skb_padding` in the kernel.
package enum WireGuardShape: UInt8, Sendable, CaseIterable {
    /// The handshake's first message.
    case initiation = 1
    /// Its answer.
    case response = 2
    /// The answer of a peer under load.
    case cookie = 3
    /// Everything else, keepalives too.
    case data = 4

    /// What a datagram with this payload is, or nil where it is none of the four.
    ///
    /// - Parameters:
    ///   - udpLength: what UDP's header says, which for the first of several fragments is more than there is here.
    ///   - mtu: the device's; a longer datagram is several that the kernel joined. 0 where it is not known.
    package init?(payload: PacketBytes, udpLength: Int, mtu: Int = 0) {
        guard let word: UInt32 = payload.number(0), word & 0x00ff_ffff == 0,
            let shape = WireGuardShape(rawValue: UInt8(word >> 24))
        else { return nil }
        let fits =
            switch shape {
            case .initiation: udpLength == 156
            case .response: udpLength == 100
            case .cookie: udpLength == 72
            case .data: udpLength >= 40
            }
        guard fits, Self.looksSealed(payload.part(shape.sealed(payload.count))) else { return nil }
        if shape == .data, mtu > 0, payload.count + 28 > mtu, !Self.isJoined(payload) { return nil }
        self = shape
    }

    /// The part of a message that is keys or ciphertext, and so looks random.
    private func sealed(_ count: Int) -> Range<Int> {
        switch self {
        case .initiation: 8..<132
        case .response: 12..<76
        case .cookie: 8..<64
        case .data: 16..<max(count, 16)
        }
    }

    /// Whether so many bytes have their highest bit set as random ones would, within seven standard deviations: fewer
    /// than one message in 10¹¹ is wronged, and text, zeros and headers in a message's clothes are not let through.
    static func looksSealed(_ bytes: PacketBytes) -> Bool {
        let count = min(bytes.count, 128)
        var high = 0
        var index = 0
        while index + 8 <= count {
            let eight = bytes.raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            high += (eight & 0x8080_8080_8080_8080).nonzeroBitCount
            index += 8
        }
        while index < count {
            high += Int(bytes.raw[index] >> 7)
            index += 1
        }
        // Of so few only text can be told, which never has that bit; of fewer than 37 nothing as safely.
        guard count >= 56 else { return count < 37 || high != 0 }
        // (high - n/2)² ≤ 49 n/4
        let excess = 2 * high - count
        return excess * excess <= 49 * count
    }

    /// Whether a datagram of more than the MTU is a row of data messages to the same receiver, of one size but for the
    /// last, with counters that follow each other: what segmentation offload makes of a batch.
    static func isJoined(_ payload: PacketBytes) -> Bool {
        guard let receiver: UInt32 = payload.number(4), let counter: UInt64 = payload.number(8)
        else { return false }
        func continues(at offset: Int, _ number: UInt64) -> Bool {
            payload.number(offset) == UInt32(0x0400_0000) && payload.number(offset + 4) == receiver
                && payload.number(offset + 8) == (counter.byteSwapped &+ number).byteSwapped
        }
        guard
            let size = stride(from: 32, to: payload.count, by: 1).first(where: {
                continues(at: $0, 1)
            })
        else { return false }
        var number: UInt64 = 1
        for offset in stride(from: size, to: payload.count, by: size) {
            guard continues(at: offset, number), payload.count - offset >= 32 else { return false }
            let piece = payload.part(offset + 16..<min(offset + size, payload.count))
            guard looksSealed(piece) else { return false }
            number &+= 1
        }
        return true
    }
}
