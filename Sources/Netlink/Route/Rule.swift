public import MeshModel

/// A routing rule: which packets look at which table.
public struct Rule: Sendable, Hashable {
    /// What the rule does. *Source:* `linux/fib_rules.h`, FR_ACT_*.
    public enum Action: Sendable, Hashable {
        /// Look in a table.
        case table(UInt32)
        /// Go on at a rule of that priority.
        case jump(UInt32)
        /// Nothing.
        case nothing
        /// Drop in silence.
        case blackhole
        /// Tell the sender that there is no way.
        case unreachable
        /// Tell the sender that it may not.
        case prohibit
        /// Another of the kernel's numbers.
        case other(UInt8)
    }

    /// IPv4 or IPv6.
    public var family: IPAddress.Family
    /// The lower comes first.
    public var priority: UInt32
    /// What it does.
    public var action: Action
    /// Whether it applies to the packets that do *not* match.
    public var isInverted: Bool
    /// Which sources.
    public var from: IPPrefix?
    /// Which destinations.
    public var to: IPPrefix?
    /// Where the packet came in.
    public var inputInterface: String?
    /// Which interface the socket is bound to.
    public var outputInterface: String?
    /// Which firewall mark, under ``mask``.
    public var mark: UInt32?
    /// Which bits of the mark count.
    public var mask: UInt32?
    /// Which users.
    public var users: ClosedRange<UInt32>?
    /// Which protocol: 6 for TCP, 17 for UDP.
    public var ipProtocol: UInt8?
    /// Which source ports.
    public var sourcePorts: ClosedRange<UInt16>?
    /// Which destination ports.
    public var destinationPorts: ClosedRange<UInt16>?
    /// Which type-of-service byte, or 0 for any.
    public var typeOfService: UInt8
    /// Whether the table is that of the VRF that the packet's interface is a part of.
    public var isByMaster: Bool
    /// Attributes of the kernel's that are not read here, by number: the rule may be limited in other ways too.
    public var unread: [UInt16]
    /// Ignores a route found whose prefix is this long or shorter.
    public var suppressPrefixLength: Int32?
    /// Ignores a route found that leaves by an interface of this group.
    public var suppressGroup: UInt32?
    /// Who made it, as for ``Route/routeProtocol``.
    public var routeProtocol: UInt8

    /// A rule for every packet of a family; what limits it is set on the value.
    public init(
        family: IPAddress.Family, priority: UInt32, action: Action, routeProtocol: UInt8 = 0
    ) {
        self.family = family
        self.priority = priority
        self.action = action
        isInverted = false
        typeOfService = 0
        isByMaster = false
        unread = []
        self.routeProtocol = routeProtocol
    }
}
