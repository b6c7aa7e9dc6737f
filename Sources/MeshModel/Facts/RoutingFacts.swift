/// How a network namespace routes: the answers for exact flows, and what could make packets go elsewhere.
public struct RoutingFacts: Codable, Sendable, Equatable {
    /// What the kernel answers for each flow of the order, for each user asked for.
    public var answers: [FlowAnswer]
    /// Rules besides the kernel's three (local, main, default), as text, `50: ipproto tcp dport 8080 lookup 100`.
    public var rules: [String]
    /// Routes of every table that cover an overlay address and leave by another interface than the mesh's, as text.
    public var strays: [String]

    /// Gathers the parts.
    public init(answers: [FlowAnswer], rules: [String], strays: [String]) {
        self.answers = answers
        self.rules = rules
        self.strays = strays
    }
}

/// The kernel's answer to a ``FlowQuestion``.
public struct FlowAnswer: Codable, Sendable, Hashable {
    /// What was asked.
    public var question: FlowQuestion
    /// For which user.
    public var user: UInt32
    /// The interface that packets leave by; nil where they are refused.
    public var interface: String?
    /// That interface's link group.
    public var group: UInt32
    /// Whether the destination is this host itself.
    public var isLocal: Bool
    /// The router that they go to, or nil.
    public var gateway: IPAddress?
    /// The source address that they get, or nil.
    public var source: IPAddress?
    /// The table that decided.
    public var table: UInt32

    /// Gathers the parts.
    public init(
        question: FlowQuestion, user: UInt32, interface: String?, group: UInt32, isLocal: Bool,
        gateway: IPAddress?, source: IPAddress?, table: UInt32
    ) {
        self.question = question
        self.user = user
        self.interface = interface
        self.group = group
        self.isLocal = isLocal
        self.gateway = gateway
        self.source = source
        self.table = table
    }
}
