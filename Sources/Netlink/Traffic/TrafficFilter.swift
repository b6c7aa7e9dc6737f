/// A filter of traffic control that hangs on a link, with its actions.
public struct TrafficFilter: Sendable, Hashable {
    /// What an action does with a packet.
    public struct Action: Sendable, Hashable {
        /// `mirred`, `nat`, `pedit`, …
        public var kind: String
        /// For `mirred`: where the packet, or a copy of it, goes.
        public var mirror: Mirror?
    }

    /// What `mirred` does. *Source:* `linux/tc_act/tc_mirred.h`.
    public struct Mirror: Sendable, Hashable {
        /// Whether the packet itself goes there, and not a copy.
        public var isRedirect: Bool
        /// Whether it arrives there, and does not leave by it.
        public var isIngress: Bool
        /// The link.
        public var interfaceIndex: Int32

        /// Gathers the parts.
        public init(isRedirect: Bool, isIngress: Bool, interfaceIndex: Int32) {
            self.isRedirect = isRedirect
            self.isIngress = isIngress
            self.interfaceIndex = interfaceIndex
        }
    }

    /// The link that it hangs on.
    public var interfaceIndex: Int32
    /// The queue, class or hook that it hangs on. *Source:* `linux/pkt_sched.h`.
    public var parent: UInt32
    /// `u32`, `matchall`, `bpf`, …
    public var kind: String
    /// Its actions, in order.
    public var actions: [Action]

    /// `ingress`, `egress`, or the parent as `tc` writes it.
    public var hook: String {
        switch parent {
        case 0xffff_fff2, 0xffff_0000: return "ingress"
        case 0xffff_fff3: return "egress"
        default:
            let minor = parent & 0xffff
            let tail = minor == 0 ? "" : String(minor, radix: 16)
            return "parent \(String(parent >> 16, radix: 16)):\(tail)"
        }
    }
}

/// A queue of traffic control, or a class of one: what filters hang on.
struct TrafficQueue: Hashable {
    var interfaceIndex: Int32
    var handle: UInt32
    var kind: String
}

/// Queues and filters as netlink messages.
///
/// *Shape:* struct tcmsg (u8 family, three bytes of padding, i32 interface, u32 handle, u32 parent, u32 info), then
/// TCA_* attributes. *Source:* `linux/rtnetlink.h`, `linux/pkt_cls.h`, `linux/act_api.h`.
enum TrafficCodec {
    static let headerSize = 20
    // TCA_*
    static let kind: UInt16 = 1
    static let options: UInt16 = 2
    // TCA_ACT_*
    static let actionKind: UInt16 = 1
    static let actionOptions: UInt16 = 2
    /// TCA_MIRRED_PARMS: five words that every action has, i32 what to do, u32 interface.
    static let mirrorParameters: UInt16 = 2
    /// TCA_ACT_MAX_PRIO: so many actions may a filter have.
    static let actionLimit: UInt16 = 32

    static func request(
        _ writer: inout NetlinkWriter, _ type: UInt16, index: Int32, parent: UInt32 = 0
    ) {
        writer.start(type: type, flags: NetlinkFlags.request | NetlinkFlags.dump)
        writer.append(UInt32(0))
        writer.append(index)
        writer.append(UInt32(0))
        writer.append(parent)
        writer.append(UInt32(0))
    }

    static func decodeQueue(_ message: NetlinkMessage) throws(NetlinkError) -> TrafficQueue? {
        guard message.type == RouteMessage.newQueue || message.type == RouteMessage.newClass else {
            return nil
        }
        var queue = TrafficQueue(
            interfaceIndex: message.int32(at: 4), handle: message.uint32(at: 8), kind: "")
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            if reader.type == kind { queue.kind = reader.string() }
        }
        try reader.check("read queue")
        return queue
    }

    /// A filter; nil for the message that stands for a whole priority of them.
    static func decodeFilter(_ message: NetlinkMessage) throws(NetlinkError) -> TrafficFilter? {
        guard message.type == RouteMessage.newFilter else { return nil }
        var filter = TrafficFilter(
            interfaceIndex: message.int32(at: 4), parent: message.uint32(at: 12), kind: "",
            actions: [])
        var hasOptions = false
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            case kind: filter.kind = reader.string()
            case options:
                hasOptions = true
                reader.nested { inner in
                    // Each kind of filter has its actions in an attribute of its own number: they are known by their
                    // shape, so that those of a kind that is not known here are found too.
                    while inner.next() { filter.actions += actions(inner.value) }
                }
            default: break
            }
        }
        try reader.check("read filter")
        return hasOptions ? filter : nil
    }

    /// A list of actions, numbered from 1, each with its kind; empty where the bytes are something else.
    private static func actions(_ bytes: UnsafeRawBufferPointer) -> [TrafficFilter.Action] {
        var found: [TrafficFilter.Action] = []
        var list = NetlinkReader(bytes)
        while list.next() {
            guard (1...actionLimit).contains(list.type) else { return [] }
            var action = TrafficFilter.Action(kind: "", mirror: nil)
            var inner = NetlinkReader(list.value)
            while inner.next() {
                switch inner.type {
                case actionKind: action.kind = name(inner.value)
                case actionOptions: action.mirror = mirror(inner.value)
                default: break
                }
            }
            guard inner.failure == nil, !action.kind.isEmpty else { return [] }
            if action.kind != "mirred" { action.mirror = nil }
            found.append(action)
        }
        return list.failure == nil ? found : []
    }

    /// A name as the kernel gives them to actions, with its zero byte; empty where it is none.
    private static func name(_ bytes: UnsafeRawBufferPointer) -> String {
        let letters = bytes.dropLast()
        guard bytes.last == 0, (2...15).contains(letters.count),
            letters.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
        else { return "" }
        return String(decoding: letters, as: UTF8.self)
    }

    private static func mirror(_ bytes: UnsafeRawBufferPointer) -> TrafficFilter.Mirror? {
        var reader = NetlinkReader(bytes)
        var found: TrafficFilter.Mirror?
        while reader.next() {
            guard reader.type == mirrorParameters, reader.value.count >= 28 else { continue }
            let deed = reader.value.loadUnaligned(fromByteOffset: 20, as: Int32.self)
            // TCA_EGRESS_REDIR, TCA_EGRESS_MIRROR, TCA_INGRESS_REDIR, TCA_INGRESS_MIRROR
            found = TrafficFilter.Mirror(
                isRedirect: deed == 1 || deed == 3, isIngress: deed >= 3,
                interfaceIndex: reader.value.loadUnaligned(fromByteOffset: 24, as: Int32.self))
        }
        return found
    }
}
