public import MeshModel

/// What to ask of the kernel's routing: the five-tuple and what else routing looks at.
public struct RouteQuestion: Sendable, Hashable {
    /// Where the packet goes.
    public var destination: IPAddress
    /// Where it comes from, if that is settled.
    public var source: IPAddress?
    /// Its firewall mark.
    public var mark: UInt32?
    /// The user who sends it.
    public var user: UInt32?
    /// 6 for TCP, 17 for UDP.
    public var ipProtocol: UInt8?
    /// Its source port.
    public var sourcePort: UInt16?
    /// Its destination port.
    public var destinationPort: UInt16?

    /// Asks about one destination; what else matters is set on the value.
    public init(to destination: IPAddress) {
        self.destination = destination
    }
}

/// What the kernel would do with a packet.
public struct RouteAnswer: Sendable, Hashable {
    /// What becomes of it; `unreachable` too where no route matches.
    public var kind: Route.Kind
    /// By which interface it leaves.
    public var interfaceIndex: Int32?
    /// The source address it gets.
    public var source: IPAddress?
    /// The router it goes to, or nil where the destination is on the link.
    public var gateway: IPAddress?
    /// The MTU of the path where the route or a learnt exception says so, or nil where the interface's holds.
    public var mtu: UInt32?
    /// The table that decided.
    public var table: UInt32
    /// The route that matched, where the kernel tells it.
    public var matched: Route?
}
