import MeshModel

/// What neighbours on a network say to each other without being told to, in the shapes that it has; in another shape, or
/// larger than it needs to be, it is something else under its name.
///
/// *Source:* RFC 826, 792, 4443, 4861, 2131, 8415, 3376.
enum NeighbourTraffic {
    /// The most that an echo may carry on average, headers included, before it is taken for a carrier of data.
    static let echoLimit: UInt64 = 256

    /// What it is, in a word, or nil where it is none of this.
    static func name(_ frame: Frame, _ bytes: PacketBytes) -> String? {
        // Of options only the router alert has a place here.
        if frame.isMalformed || frame.fragment != nil || frame.options > 8 { return nil }
        let carried = bytes.part(frame.carried)
        switch (frame.etherType, frame.ipProtocol) {
        case (0x0806, _):
            // 28 bytes, filled up to the shortest frame's 46.
            return carried.count <= 50 && carried.byte(4) == 6 && carried.byte(5) == 4 ? "ARP" : nil
        case (0x0800, 1): return icmp(carried)
        case (0x86dd, 58): return icmpv6(carried)
        case (0x0800, 2): return carried.count <= 256 ? "IGMP" : nil
        case (_, 17): return dhcp(frame, bytes.part(frame.payload))
        default: return nil
        }
    }

    /// The number that tells one series of echoes from another, where it is an echo.
    static func echo(_ frame: Frame, _ bytes: PacketBytes) -> UInt16? {
        let carried = bytes.part(frame.carried)
        switch (frame.ipProtocol, carried.byte(0)) {
        case (1, 0), (1, 8), (58, 128), (58, 129): return carried.number(4)
        default: return nil
        }
    }

    private static func icmp(_ message: PacketBytes) -> String? {
        guard let type = message.byte(0) else { return nil }
        return switch type {
        case 0, 8: "ICMP echo"
        // Errors quote at most as much as makes 576 bytes (RFC 1812).
        case 3, 4, 5, 11, 12: message.count <= 576 ? "ICMP" : nil
        case 9, 10, 13, 14: message.count <= 64 ? "ICMP" : nil
        default: nil
        }
    }

    private static func icmpv6(_ message: PacketBytes) -> String? {
        guard let type = message.byte(0) else { return nil }
        return switch type {
        case 128, 129: "ICMPv6 echo"
        // Errors quote at most as much as makes 1280 bytes.
        case 1...4: message.count <= 1280 ? "ICMPv6" : nil
        case 130...132, 143: message.count <= 1280 ? "MLD" : nil
        // Solicitations and advertisements carry a few options.
        case 133...137: message.count <= 512 ? "neighbour discovery" : nil
        default: nil
        }
    }

    private static func dhcp(_ frame: Frame, _ payload: PacketBytes) -> String? {
        switch (frame.sourcePort, frame.destinationPort) {
        case (67, 68), (68, 67), (67, 67):
            let isMessage = payload.byte(0) == 1 || payload.byte(0) == 2
            return isMessage && payload.count <= 1472
                && payload.number(236) == UInt32(0x6382_5363) ? "DHCP" : nil
        case (546, 547), (547, 546), (547, 547):
            guard let type = payload.byte(0), (1...23).contains(type) else { return nil }
            return payload.count <= 1452 ? "DHCPv6" : nil
        default: return nil
        }
    }
}
