/// The sockets of one network namespace of the host.
public struct NamespaceSockets: Codable, Sendable, Equatable {
    /// The namespace's inode.
    public var namespace: UInt64
    /// Whether it is the node's own, in which the mesh is.
    public var isOwn: Bool
    /// A process in it, `postgres (pid 812)`, or nil.
    public var inhabitant: String?
    /// Those that listen.
    public var listeners: [SocketFact]
    /// Those that are connected.
    public var flows: [SocketFact]
    /// Unix sockets that listen, by path.
    public var unixListeners: [UnixSocketFact]

    /// Gathers the parts.
    public init(
        namespace: UInt64, isOwn: Bool, inhabitant: String?, listeners: [SocketFact],
        flows: [SocketFact], unixListeners: [UnixSocketFact]
    ) {
        self.namespace = namespace
        self.isOwn = isOwn
        self.inhabitant = inhabitant
        self.listeners = listeners
        self.flows = flows
        self.unixListeners = unixListeners
    }
}

/// One socket.
public struct SocketFact: Codable, Sendable, Hashable {
    /// What is spoken over it.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// TCP.
        case tcp
        /// UDP.
        case udp
        /// Multipath TCP.
        case mptcp
    }

    /// What is spoken over it.
    public var kind: Kind
    /// Its own address and port.
    public var local: SocketEndpoint
    /// The other end's; nil for one that listens.
    public var remote: SocketEndpoint?
    /// Whether an IPv6 listener takes IPv6 alone.
    public var isIPv6Only: Bool
    /// The interface that it is bound to, or nil.
    public var interface: String?
    /// Whether it has asked for a connection that does not stand yet, and may never.
    public var isConnecting: Bool
    /// Its firewall mark.
    public var mark: UInt32
    /// The user who made it.
    public var user: UInt32
    /// `postgres (pid 812)`, or nil where it is not known.
    public var process: String?

    /// Gathers the parts.
    public init(
        kind: Kind, local: SocketEndpoint, remote: SocketEndpoint?, isIPv6Only: Bool = false,
        isConnecting: Bool = false, interface: String?, mark: UInt32 = 0, user: UInt32,
        process: String?
    ) {
        self.kind = kind
        self.local = local
        self.remote = remote
        self.isIPv6Only = isIPv6Only
        self.isConnecting = isConnecting
        self.interface = interface
        self.mark = mark
        self.user = user
        self.process = process
    }
}

/// A unix socket that listens.
public struct UnixSocketFact: Codable, Sendable, Hashable {
    /// Its path.
    public var path: String
    /// `postgres (pid 812)`, or nil where it is not known.
    public var process: String?

    /// Gathers the parts.
    public init(path: String, process: String?) {
        self.path = path
        self.process = process
    }
}

/// A connection that connection tracking knows.
public struct TrackedConnection: Codable, Sendable, Hashable {
    /// 6 for TCP, 17 for UDP.
    public var ipProtocol: UInt8
    /// Where the first packet came from.
    public var source: SocketEndpoint
    /// Where it was sent.
    public var destination: SocketEndpoint
    /// Where answers come from; differs from `destination` where that was rewritten.
    public var replySource: SocketEndpoint
    /// Where answers are sent; differs from `source` where that was rewritten.
    public var replyDestination: SocketEndpoint

    /// Whether something rewrites it.
    public var isTranslated: Bool { replySource != destination || replyDestination != source }

    /// Gathers the parts.
    public init(
        ipProtocol: UInt8, source: SocketEndpoint, destination: SocketEndpoint,
        replySource: SocketEndpoint, replyDestination: SocketEndpoint
    ) {
        self.ipProtocol = ipProtocol
        self.source = source
        self.destination = destination
        self.replySource = replySource
        self.replyDestination = replyDestination
    }
}

/// What packet filters and traffic control could do to an edge.
public struct RewritingFacts: Codable, Sendable, Equatable {
    /// SHA-256 of the whole ruleset as nft lists it without handles and counters, in hexadecimal.
    public var digest: String
    /// Rules that translate addresses, set marks, duplicate or redirect packets, outside the guard.
    public var rules: [RewritingRule]
    /// Traffic-control filters that mirror or redirect, as text.
    public var mirrors: [String]
    /// Multipath TCP endpoints, as text.
    public var multipathEndpoints: [String]

    /// Gathers the parts.
    public init(
        digest: String, rules: [RewritingRule], mirrors: [String], multipathEndpoints: [String]
    ) {
        self.digest = digest
        self.rules = rules
        self.mirrors = mirrors
        self.multipathEndpoints = multipathEndpoints
    }
}

/// One rule that could take packets elsewhere.
public struct RewritingRule: Codable, Sendable, Hashable {
    /// What it does.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// Rewrites destinations.
        case dnat
        /// Rewrites sources.
        case snat
        /// Sends to this host instead.
        case redirect
        /// Sets a packet's mark, which rules may route by.
        case mark
        /// Sends a copy elsewhere.
        case duplicate
        /// Hands packets to a program or a socket.
        case divert
    }

    /// What it does.
    public var kind: Kind
    /// `ip nat prerouting`: family, table, chain.
    public var place: String
    /// The rule, as text.
    public var text: String
    /// TCP or UDP ports that it is limited to, or nil for any.
    public var ports: [UInt16]?
    /// Addresses that it is limited to as destinations, or nil for any.
    public var destinations: [IPPrefix]?

    /// Gathers the parts.
    public init(
        kind: Kind, place: String, text: String, ports: [UInt16]?, destinations: [IPPrefix]?
    ) {
        self.kind = kind
        self.place = place
        self.text = text
        self.ports = ports
        self.destinations = destinations
    }
}
