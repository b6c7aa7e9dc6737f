public import MeshModel

/// A route of any table.
public struct Route: Sendable, Hashable {
    /// What becomes of a packet. *Source:* `linux/rtnetlink.h`, RTN_*.
    public enum Kind: Sendable, Hashable {
        /// It is sent on.
        case unicast
        /// It is for us.
        case local
        /// It is dropped in silence.
        case blackhole
        /// The sender is told that there is no way.
        case unreachable
        /// The sender is told that it may not.
        case prohibit
        /// The next rule decides.
        case passOn
        /// Another of the kernel's numbers (broadcast, multicast, …).
        case other(UInt8)
    }

    /// One of several ways that a multipath route may take.
    public struct Nexthop: Sendable, Hashable {
        /// By which interface.
        public var interfaceIndex: Int32
        /// By which router, or nil where the destination is on the link.
        public var gateway: IPAddress?
        /// How much of the traffic, against the others: 1...256.
        public var weight: UInt16

        /// Gathers the parts.
        public init(interfaceIndex: Int32, gateway: IPAddress?, weight: UInt16 = 1) {
            self.interfaceIndex = interfaceIndex
            self.gateway = gateway
            self.weight = weight
        }
    }

    /// Which destinations.
    public var destination: IPPrefix
    /// Which table: 254 is main, 255 local.
    public var table: UInt32
    /// Who made it: 2 the kernel, 3 boot, 4 static, ours is `Ownership.routeProtocol`.
    public var routeProtocol: UInt8
    /// What becomes of a packet.
    public var kind: Kind
    /// By which interface; nil for multipath routes and those that refuse.
    public var interfaceIndex: Int32?
    /// The preferred source address.
    public var source: IPAddress?
    /// By which router.
    public var gateway: IPAddress?
    /// The lower wins; 0 for none. The kernel makes 1024 of 0 for IPv6.
    public var metric: UInt32
    /// The route's own MTU, or nil where the interface's holds. *Units:* bytes.
    public var mtu: UInt32?
    /// The ways of a multipath route; else empty.
    public var nexthops: [Nexthop]

    /// The main table.
    public static let mainTable: UInt32 = 254

    /// Gathers the parts.
    public init(
        destination: IPPrefix, table: UInt32 = Route.mainTable, routeProtocol: UInt8,
        kind: Kind = .unicast, interfaceIndex: Int32? = nil, source: IPAddress? = nil,
        gateway: IPAddress? = nil, metric: UInt32 = 0, mtu: UInt32? = nil, nexthops: [Nexthop] = []
    ) {
        self.destination = destination
        self.table = table
        self.routeProtocol = routeProtocol
        self.kind = kind
        self.interfaceIndex = interfaceIndex
        self.source = source
        self.gateway = gateway
        self.metric = metric
        self.mtu = mtu
        self.nexthops = nexthops
    }
}

extension Route.Kind {
    var number: UInt8 {
        switch self {
        case .unicast: 1
        case .local: 2
        case .blackhole: 6
        case .unreachable: 7
        case .prohibit: 8
        case .passOn: 9
        case .other(let number): number
        }
    }

    init(number: UInt8) {
        switch number {
        case 1: self = .unicast
        case 2: self = .local
        case 6: self = .blackhole
        case 7: self = .unreachable
        case 8: self = .prohibit
        case 9: self = .passOn
        default: self = .other(number)
        }
    }
}
