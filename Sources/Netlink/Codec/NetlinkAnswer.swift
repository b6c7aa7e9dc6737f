/// What the kernel says at the end of a request: zero, or why not.
///
/// *Shape:* i32 zero or minus errno, the request's header (and payload unless capped), attributes.
/// *Source:* `linux/netlink.h`, struct nlmsgerr and enum nlmsgerr_attrs.
public struct NetlinkAnswer: Sendable, Equatable {
    /// 0, or the positive errno value.
    public let errno: Int32
    /// The kernel's own words, where it has any.
    public let text: String?
    /// Where in the request the fault lies, in bytes from its start.
    public let offset: UInt32?
    /// The attribute type that is missing from the request.
    public let missingType: UInt32?

    /// Reads an acknowledgement (NLMSG_ERROR) or the end of a dump (NLMSG_DONE); nil where it makes no sense.
    public init?(_ message: NetlinkMessage) {
        var text: String?
        var offset: UInt32?
        var missing: UInt32?
        let isDone = message.type == NetlinkControl.done
        if message.payload.count < 4 {
            // Some kernels end a dump without a word.
            guard isDone, message.payload.isEmpty else { return nil }
        }
        let flags = message.header.flags
        if flags & NetlinkFlags.acknowledgementAttributes != 0 {
            var start = 4
            if !isDone {
                let echoed = Int(message.uint32(at: 4))
                start = 4 + NetlinkHeader.size
                if flags & NetlinkFlags.capped == 0 { start = 4 + max(echoed, NetlinkHeader.size) }
            }
            var reader = message.attributes(after: (start + 3) & ~3)
            while reader.next() {
                switch reader.type {
                case 1: text = reader.string()
                case 2: offset = reader.uint32()
                case 5: missing = reader.uint32()
                default: break
                }
            }
            // A mangled explanation must not hide the answer itself.
        }
        let code = message.int32(at: 0)
        guard code <= 0 else { return nil }
        errno = 0 &- code
        self.text = text
        self.offset = offset
        missingType = missing
    }
}
