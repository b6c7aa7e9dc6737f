import MeshModel

/// Names for people: what a frame is, in a few words. Nothing is decided by them.
enum PayloadSummary {
    static func text(_ sorting: Sorting, _ frame: Frame, _ bytes: PacketBytes) -> String {
        switch (sorting.kind, sorting.appearance) {
        case (.wireguard, _): return "WireGuard"
        case (.tunnel, _): return "SSH of a tunnel"
        case (.management, _): return "SSH"
        case (.tls, _): return "TLS"
        case (.control, _): return "control"
        case (.neighbour, _): return NeighbourTraffic.name(frame, bytes) ?? "neighbour"
        case (.undeclared, .wireguard): return "WireGuard between other endpoints"
        case (.undeclared, _): break
        }
        let text = text(frame, bytes)
        if sorting.pair.isOverlay { return "overlay address outside the mesh: \(text)" }
        return frame.isIP && !sorting.pair.isPlain
            ? "\(text) for an address that is not known" : text
    }

    /// What a frame is, whomever it is for.
    static func text(_ frame: Frame, _ bytes: PacketBytes) -> String {
        guard let ipProtocol = frame.ipProtocol else { return etherType(frame.etherType) }
        let family = frame.etherType == 0x86dd ? "over IPv6" : "over IPv4"
        if let fragment = frame.fragment, fragment.offset > 0 {
            return "\(name(ipProtocol)) fragment"
        }
        switch ipProtocol {
        case 6: return tcp(frame, bytes.part(frame.payload))
        case 17: return udp(frame, bytes.part(frame.payload))
        case 4, 41, 47, 94, 97, 137: return "\(name(ipProtocol)) \(family)"
        default: return name(ipProtocol)
        }
    }

    /// A word for an IP protocol. *Source:* IANA's protocol numbers.
    static func name(_ ipProtocol: UInt8) -> String {
        switch ipProtocol {
        case 1: "ICMP"
        case 2: "IGMP"
        case 4: "IPIP"
        case 6: "TCP"
        case 17: "UDP"
        case 41: "IPv6 in IP"
        case 47: "GRE"
        case 50: "ESP"
        case 51: "AH"
        case 58: "ICMPv6"
        case 89: "OSPF"
        case 94: "IPIP"
        case 97: "Ethernet in IP"
        case 112: "VRRP"
        case 115: "L2TP"
        case 132: "SCTP"
        case 136: "UDP-Lite"
        case 137: "MPLS in IP"
        default: "IP protocol \(ipProtocol)"
        }
    }

    private static func etherType(_ type: UInt16) -> String {
        switch type {
        case 0x0800: "broken IPv4"
        case 0x86dd: "broken IPv6"
        case 0x0806: "odd ARP"
        case 0x8847, 0x8848: "MPLS"
        case 0x8863, 0x8864: "PPPoE"
        case 0x8906: "FCoE"
        case 0x8915: "RoCE"
        case 0x88a2: "ATA over Ethernet"
        case 0x88e5: "MACsec"
        case 0x88cc: "LLDP"
        case ..<1536: "802.3"
        default: "Ethernet type 0x" + String(type, radix: 16)
        }
    }

    private static func udp(_ frame: Frame, _ payload: PacketBytes) -> String {
        let port = frame.destinationPort
        if port == 4789 || port == 8472 || isVXLAN(payload) { return "vxlan" }
        if port == 6081 { return "geneve" }
        if port == 4754 || port == 4755 { return "GRE in UDP" }
        if port == 53 || frame.sourcePort == 53 { return "DNS" }
        if port == 4791 { return "RoCE" }
        return content(payload).map { "UDP \(port): \($0)" } ?? "UDP \(port)"
    }

    /// Flags with only the "there is an identifier" bit, zeros where they belong, and an Ethernet frame behind.
    private static func isVXLAN(_ payload: PacketBytes) -> Bool {
        payload.number(0) == UInt32(0x0800_0000) && payload.byte(7) == 0
            && [0x0800, 0x86dd, 0x0806].contains(payload.number(20) ?? UInt16(0))
    }

    private static func tcp(_ frame: Frame, _ payload: PacketBytes) -> String {
        content(payload) ?? "TCP \(min(frame.sourcePort, frame.destinationPort))"
    }

    static func content(_ payload: PacketBytes) -> String? {
        for verb in ["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS "] {
            if Array(verb.utf8).withUnsafeBytes({ payload.has($0, 0) }) {
                return "HTTP \(verb.dropLast())"
            }
        }
        if payload.has("HTTP/1.", at: 0) { return "HTTP response" }
        if payload.has("PRI * HTTP/2", at: 0) { return "HTTP/2" }
        if payload.has("SSH-", at: 0) { return "SSH" }
        if payload.byte(0) == 0x16 && payload.byte(1) == 3 { return "TLS" }
        if payload.number(4) == UInt32(0x0003_0000) { return "Postgres startup" }
        if payload.number(4) == UInt32(0x04d2_162f) { return "Postgres SSLRequest" }
        if payload.byte(0) == 0x2a, let digit = payload.byte(1), (0x30...0x39).contains(digit) {
            return "Redis"
        }
        return nil
    }
}
