/// The header of every netlink message. *Source:* `linux/netlink.h`, struct nlmsghdr.
///
/// *Shape:* u32 length, u16 type, u16 flags, u32 sequence, u32 port; all in host order.
public struct NetlinkHeader: Sendable, Equatable {
    /// Bytes in the whole message, this header included.
    public var length: UInt32
    /// What the message is; below 16 it is a control message.
    public var type: UInt16
    /// See ``NetlinkFlags``.
    public var flags: UInt16
    /// Which request it belongs to.
    public var sequence: UInt32
    /// Whose request it belongs to.
    public var port: UInt32

    /// How many bytes the header itself takes.
    public static let size = 16

    /// Gathers the parts.
    public init(length: UInt32, type: UInt16, flags: UInt16, sequence: UInt32, port: UInt32) {
        self.length = length
        self.type = type
        self.flags = flags
        self.sequence = sequence
        self.port = port
    }
}

/// Flags of ``NetlinkHeader``. *Source:* `linux/netlink.h`, NLM_F_*.
public enum NetlinkFlags {
    /// It is a request.
    public static let request: UInt16 = 0x1
    /// One of many; the last is ``NetlinkControl/done``.
    public static let multi: UInt16 = 0x2
    /// Please acknowledge.
    public static let acknowledge: UInt16 = 0x4
    /// The table changed while it was read: read it again.
    public static let dumpInterrupted: UInt16 = 0x10
    /// Replace what is there.
    public static let replace: UInt16 = 0x100
    /// Fail where it is there.
    public static let exclusive: UInt16 = 0x200
    /// Make it where it is not there.
    public static let create: UInt16 = 0x400
    /// The whole table (NLM_F_ROOT and NLM_F_MATCH).
    public static let dump: UInt16 = 0x300
    /// In an acknowledgement: the request's payload is not repeated.
    public static let capped: UInt16 = 0x100
    /// In an acknowledgement: attributes follow.
    public static let acknowledgementAttributes: UInt16 = 0x200
}

/// Types of control messages. *Source:* `linux/netlink.h`, NLMSG_*.
public enum NetlinkControl {
    /// Nothing; to be skipped.
    public static let noop: UInt16 = 1
    /// An acknowledgement, or an error.
    public static let error: UInt16 = 2
    /// The end of a dump.
    public static let done: UInt16 = 3
    /// Data was lost.
    public static let overrun: UInt16 = 4
}
