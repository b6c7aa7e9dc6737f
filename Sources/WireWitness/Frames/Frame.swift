package import MeshModel

/// What the headers of one captured frame say. Nothing in it is trusted: it only tells where to look.
///
/// *Source:* IEEE 802.3 and 802.1Q, RFC 791, 8200, 768, 9293; `tap(4)` and `tun` devices begin at the network layer.
package struct Frame {
    /// How a frame begins.
    package enum Link: Sendable {
        /// With an Ethernet header.
        case ethernet
        /// With whatever the device puts there; the network layer begins at `offset`.
        case network(etherType: UInt16, offset: Int)
    }

    /// A part of a datagram that was cut in pieces.
    package struct Fragment: Sendable, Hashable {
        /// Which datagram.
        package var identification: UInt32
        /// Where in the datagram's payload this part begins. *Units:* bytes.
        package var offset: Int
        /// Whether others follow.
        package var hasMore: Bool

        /// Gathers the parts.
        package init(identification: UInt32, offset: Int, hasMore: Bool) {
            self.identification = identification
            self.offset = offset
            self.hasMore = hasMore
        }
    }

    /// What is looked at of a TCP header.
    package struct Segment: Sendable, Hashable {
        /// The number of its first byte.
        package var sequence: UInt32
        /// The number of the byte that is awaited.
        package var acknowledged: UInt32
        /// The header's flags.
        package var flags: UInt8

        /// Whether it opens its direction.
        package var isOpening: Bool { flags & 0x02 != 0 }
        /// Whether it ends the connection at once, or refuses it.
        package var isReset: Bool { flags & 0x04 != 0 }
        /// Whether ``acknowledged`` counts.
        package var isAnswer: Bool { flags & 0x10 != 0 }
    }

    /// The Ethernet type behind all VLAN tags; below 1536 it is a length (IEEE 802.3).
    package var etherType: UInt16
    /// Who sent it on this link, where the link has such addresses.
    package var sourceHardware: HardwareAddress?
    /// Who is to receive it on this link.
    package var destinationHardware: HardwareAddress?
    /// How many VLAN tags it has.
    package var tags = 0
    /// The IP source.
    package var source: IPAddress?
    /// The IP destination.
    package var destination: IPAddress?
    /// What the IP packet carries, behind all extension headers.
    package var ipProtocol: UInt8?
    /// Bytes of IP options and extension headers, in which data could hide; those of fragments and jumbograms aside.
    package var options = 0
    /// Which part of a datagram it is, or nil for a whole one.
    package var fragment: Fragment?
    /// The port it came from; 0 where there is none.
    package var sourcePort: UInt16 = 0
    /// The port it went to.
    package var destinationPort: UInt16 = 0
    /// What UDP's header says of its length.
    package var udpLength: Int?
    /// TCP's header.
    package var segment: Segment?
    /// What IP carries in this packet, where it lies in the frame.
    package var carried: Range<Int>
    /// What TCP or UDP carries, else what IP carries, else what Ethernet carries.
    package var payload: Range<Int>
    /// Bytes behind the IP packet's end.
    package var trailer = 0
    /// Whether a header does not fit, or contradicts another.
    package var isMalformed = false

    /// Whether it is IP.
    package var isIP: Bool { source != nil }

    /// Reads the headers of a frame; never fails, for what cannot be read is told by what it lacks.
    package init(_ bytes: PacketBytes, link: Link) {
        carried = 0..<bytes.count
        payload = 0..<bytes.count
        var offset: Int
        switch link {
        case .network(let type, let at):
            etherType = type
            offset = min(max(at, 0), bytes.count)
        case .ethernet:
            etherType = bytes.number(12) ?? 0
            destinationHardware = bytes.hardware(0)
            sourceHardware = bytes.hardware(6)
            offset = min(14, bytes.count)
            isMalformed = bytes.count < 14
        }
        // 802.1Q, 802.1ad, and the older types of the outer tag.
        while [0x8100, 0x88a8, 0x9100, 0x9200].contains(etherType) {
            guard let inner: UInt16 = bytes.number(offset + 2) else {
                isMalformed = true
                break
            }
            etherType = inner
            tags += 1
            offset += 4
        }
        carried = offset..<bytes.count
        payload = carried
        switch etherType {
        case 0x0800: readIPv4(bytes, at: offset)
        case 0x86dd: readIPv6(bytes, at: offset)
        default: break
        }
    }

    private mutating func readIPv4(_ bytes: PacketBytes, at start: Int) {
        guard let first = bytes.byte(start), first >> 4 == 4, first & 15 >= 5,
            let total: UInt16 = bytes.number(start + 2),
            let identification: UInt16 = bytes.number(start + 4),
            let place: UInt16 = bytes.number(start + 6), let number = bytes.byte(start + 9),
            let from = bytes.address(start + 12, .ipv4), let to = bytes.address(start + 16, .ipv4)
        else {
            isMalformed = true
            return
        }
        let header = Int(first & 15) * 4
        source = from
        destination = to
        ipProtocol = number
        options = header - 20
        // A super-packet of more than 64 KiB says 0, and goes to the frame's end.
        let end = total == 0 ? bytes.count : start + Int(total)
        if place & 0x3fff != 0 {
            fragment = Fragment(
                identification: UInt32(identification), offset: Int(place & 0x1fff) * 8,
                hasMore: place & 0x2000 != 0)
        }
        finish(bytes, from: start + header, to: end)
    }

    private mutating func readIPv6(_ bytes: PacketBytes, at start: Int) {
        guard let first = bytes.byte(start), first >> 4 == 6,
            let length: UInt16 = bytes.number(start + 4), var next = bytes.byte(start + 6),
            let from = bytes.address(start + 8, .ipv6), let to = bytes.address(start + 24, .ipv6)
        else {
            isMalformed = true
            return
        }
        source = from
        destination = to
        var offset = start + 40
        // A jumbogram says 0, and goes to the frame's end.
        let end = length == 0 ? bytes.count : offset + Int(length)
        let isJumbo = length == 0 && next == 0
        headers: while true {
            guard let following = bytes.byte(offset), let size = bytes.byte(offset + 1) else {
                break
            }
            switch next {
            case 0, 43, 60, 135, 139, 140:
                let length = (Int(size) + 1) * 8
                // The jumbo payload option (RFC 2675), which the kernel itself adds to super-packets.
                if !(isJumbo && next == 0 && length == 8 && bytes.byte(offset + 2) == 0xc2) {
                    options += length
                }
                offset += length
            case 51:
                options += (Int(size) + 2) * 4
                offset += (Int(size) + 2) * 4
            case 44:
                guard let place: UInt16 = bytes.number(offset + 2),
                    let identification: UInt32 = bytes.number(offset + 4)
                else { break headers }
                // One that is first and last at once is a whole datagram (RFC 6946).
                if place & 0xfff9 != 0 {
                    fragment = Fragment(
                        identification: identification, offset: Int(place & 0xfff8),
                        hasMore: place & 1 != 0)
                }
                offset += 8
                next = following
                // Behind the header of a later fragment there are no more headers, only bytes.
                if let fragment, fragment.offset > 0 { break headers }
                continue
            default: break headers
            }
            next = following
            if offset > end { break }
        }
        ipProtocol = next
        finish(bytes, from: offset, to: end)
    }

    /// Looks at what IP carries between two offsets, of which a header said that they are there.
    private mutating func finish(_ bytes: PacketBytes, from start: Int, to end: Int) {
        if end > bytes.count || start > end { isMalformed = true }
        let upper = min(end, bytes.count)
        let lower = min(start, upper)
        carried = lower..<upper
        payload = carried
        trailer = bytes.count - upper
        if let fragment, fragment.offset > 0 { return }
        switch ipProtocol {
        case 17: readUDP(bytes)
        case 6: readTCP(bytes)
        default: break
        }
    }

    private mutating func readUDP(_ bytes: PacketBytes) {
        let start = carried.lowerBound
        guard carried.count >= 8, let from: UInt16 = bytes.number(start),
            let to: UInt16 = bytes.number(start + 2), let length: UInt16 = bytes.number(start + 4)
        else {
            isMalformed = true
            return
        }
        sourcePort = from
        destinationPort = to
        udpLength = Int(length)
        payload = start + 8..<carried.upperBound
        // Bytes behind UDP's own end are no datagram's; a fragment has only its share.
        if fragment == nil { isMalformed = isMalformed || Int(length) != carried.count }
    }

    private mutating func readTCP(_ bytes: PacketBytes) {
        let start = carried.lowerBound
        guard let from: UInt16 = bytes.number(start), let to: UInt16 = bytes.number(start + 2),
            let sequence: UInt32 = bytes.number(start + 4),
            let acknowledged: UInt32 = bytes.number(start + 8),
            let size = bytes.byte(start + 12), let flags = bytes.byte(start + 13),
            carried.count >= 20
        else {
            isMalformed = true
            return
        }
        sourcePort = from
        destinationPort = to
        segment = Segment(sequence: sequence, acknowledged: acknowledged, flags: flags)
        let header = Int(size >> 4) * 4
        if header < 20 || header > carried.count { isMalformed = true }
        payload = min(start + max(header, 20), carried.upperBound)..<carried.upperBound
    }
}
