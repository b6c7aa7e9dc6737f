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

    /// Gathers the parts.
    public init(
        index: Int32, name: String, kind: String? = nil, group: UInt32 = 0, mtu: UInt32 = 0,
        isUp: Bool = false, isRunning: Bool = false, isLoopback: Bool = false, master: Int32? = nil
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
    }
}

/// Links as netlink messages.
///
/// *Shape:* struct ifinfomsg (u8 family, u8 padding, u16 hardware type, i32 index, u32 flags, u32 change mask), then
/// IFLA_* attributes. *Source:* `linux/rtnetlink.h`, `linux/if_link.h`.
enum LinkCodec {
    static let headerSize = 16
    // IFLA_*
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let master: UInt16 = 10
    static let info: UInt16 = 18
    static let infoKind: UInt16 = 1
    static let group: UInt16 = 27
    static let extensionMask: UInt16 = 29
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
            case name: link.name = reader.string()
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

    static func header(
        _ writer: inout NetlinkWriter, index: Int32 = 0, flags: UInt32 = 0, change: UInt32 = 0
    ) {
        writer.append(UInt32(KernelFamily.unspecified))
        writer.append(index)
        writer.append(flags)
        writer.append(change)
    }
}
