/// A network interface.
public struct Link: Sendable, Hashable {
    /// The kernel's number for it, in its network namespace.
    public var index: Int32
    /// Its name.
    public var name: String
    /// What made it (`wireguard`, `tun`, `veth`, …), or nil for hardware and the like.
    public var kind: String?
    /// Its group, 0 where none was set.
    public var group: UInt32
    /// *Units:* bytes.
    public var mtu: UInt32
    /// Whether it is administratively up.
    public var isUp: Bool
    /// Whether it could carry a packet now.
    public var isRunning: Bool
    /// Whether it is the loopback interface.
    public var isLoopback: Bool
    /// The bridge or the like that it is a part of.
    public var master: Int32?
    /// Its hardware address, `02:00:00:00:00:01`, or nil where it has none, or all zeros.
    public var hardware: String?
    /// The number of the XDP program that sees its packets before all else, or nil.
    public var xdpProgram: UInt32?

    /// Gathers the parts.
    public init(
        index: Int32, name: String, kind: String? = nil, group: UInt32 = 0, mtu: UInt32 = 0,
        isUp: Bool = false, isRunning: Bool = false, isLoopback: Bool = false, master: Int32? = nil,
        hardware: String? = nil, xdpProgram: UInt32? = nil
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.group = group
        self.mtu = mtu
        self.isUp = isUp
        self.isRunning = isRunning
        self.isLoopback = isLoopback
        self.master = master
        self.hardware = hardware
        self.xdpProgram = xdpProgram
    }
}

/// Links as netlink messages.
///
/// *Shape:* struct ifinfomsg (u8 family, u8 padding, u16 hardware type, i32 index, u32 flags, u32 change mask), then
/// IFLA_* attributes. *Source:* `linux/rtnetlink.h`, `linux/if_link.h`.
enum LinkCodec {
    static let headerSize = 16
    // IFLA_*
    static let hardware: UInt16 = 1
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let master: UInt16 = 10
    static let info: UInt16 = 18
    static let infoKind: UInt16 = 1
    static let group: UInt16 = 27
    /// IFLA_AF_SPEC: what a link has for each address family, by family.
    static let familySettings: UInt16 = 26
    /// AF_INET, within it.
    static let ipv4: UInt16 = 2
    /// IFLA_INET_CONF, within that.
    static let configuration: UInt16 = 1
    /// IPV4_DEVCONF_RP_FILTER, within that; 2 is loose.
    static let reversePathFilter: UInt16 = 8
    static let looseReversePath: UInt32 = 2
    static let extensionMask: UInt16 = 29
    static let xdp: UInt16 = 43
    /// IFLA_XDP_ATTACHED: 0 where there is none.
    static let xdpAttached: UInt16 = 2
    /// IFLA_XDP_PROG_ID.
    static let xdpProgram: UInt16 = 4
    /// RTEXT_FILTER_SKIP_STATS: counters are not needed here, and long.
    static let skipStatistics: UInt32 = 8
    // IFF_*
    static let up: UInt32 = 0x1
    static let loopback: UInt32 = 0x8
    static let lowerUp: UInt32 = 0x10000

    static func decode(_ message: NetlinkMessage) throws(NetlinkError) -> Link? {
        guard message.type == RouteMessage.newLink else { return nil }
        let flags = message.uint32(at: 8)
        var link = Link(
            index: message.int32(at: 4), name: "", isUp: flags & up != 0,
            isRunning: flags & lowerUp != 0, isLoopback: flags & loopback != 0)
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            case hardware: link.hardware = hardwareText(reader.value)
            case name: link.name = reader.string()
            case xdp: link.xdpProgram = program(&reader)
            case mtu: link.mtu = reader.uint32()
            case master: link.master = reader.int32()
            case group: link.group = reader.uint32()
            case info:
                reader.nested { inner in
                    while inner.next() {
                        if inner.type == infoKind { link.kind = inner.string() }
                    }
                }
            default: break
            }
        }
        try reader.check("read link")
        return link
    }

    /// Ethernet's six bytes; other links' addresses are no hardware's.
    private static func hardwareText(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.count == 6, bytes.contains(where: { $0 != 0 }) else { return nil }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    private static func program(_ reader: inout NetlinkReader) -> UInt32? {
        var isAttached = false
        var number: UInt32 = 0
        reader.nested { inner in
            while inner.next() {
                switch inner.type {
                case xdpAttached: isAttached = inner.uint8() != 0
                case xdpProgram: number = inner.uint32()
                default: break
                }
            }
        }
        return isAttached ? number : nil
    }

    static func header(
        _ writer: inout NetlinkWriter, index: Int32 = 0, flags: UInt32 = 0, change: UInt32 = 0
    ) {
        writer.append(UInt32(KernelFamily.unspecified))
        writer.append(index)
        writer.append(flags)
        writer.append(change)
    }
}
