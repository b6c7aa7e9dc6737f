/// A tunnel as it is: what it runs with, and how it fares.
public struct ObservedTunnel: Codable, Sendable, Equatable {
    /// What it was told; differs from the document only until the agent has caught up.
    public var tunnel: DesiredTunnel
    /// How it fares.
    public var state: State
    /// Since when it is in that state. *Units:* seconds since 1970.
    public var since: Double
    /// The entrances that are listening now.
    public var listening: [TunnelEnd]
    /// What was negotiated, or nil where no session stands.
    public var algorithms: TunnelAlgorithms?
    /// Connections that are open now.
    public var connections: Int
    /// Those of them that go through a former session, until they end.
    public var draining: Int
    /// Connections that were ever accepted.
    public var accepted: UInt64
    /// Bytes from applications to the service. *Units:* bytes of payload, since the tunnel was made.
    public var sent: UInt64
    /// Bytes from the service to applications.
    public var received: UInt64
    /// How often the session was made anew after it had stood.
    public var reconnects: Int
    /// What is wrong now: entrances that cannot be had, then why there is no session.
    public var problems: [TunnelProblem]
    /// The last thing that went wrong, kept after it is over.
    public var lastError: TunnelProblem?

    /// How a tunnel fares.
    public enum State: String, Codable, Sendable, Hashable, CaseIterable {
        /// The session stands and the entrances listen.
        case up
        /// The first session, or a new one after a loss, is being made.
        case connecting
        /// It was refused in a way that trying again soon does not mend; it is tried again slowly.
        case refused
        /// An entrance cannot be had, so applications cannot come in.
        case blocked
    }

    /// Gathers the parts.
    public init(
        tunnel: DesiredTunnel, state: State, since: Double, listening: [TunnelEnd] = [],
        algorithms: TunnelAlgorithms? = nil, connections: Int = 0, draining: Int = 0,
        accepted: UInt64 = 0,
        sent: UInt64 = 0, received: UInt64 = 0, reconnects: Int = 0,
        problems: [TunnelProblem] = [], lastError: TunnelProblem? = nil
    ) {
        self.tunnel = tunnel
        self.state = state
        self.since = since
        self.listening = listening
        self.algorithms = algorithms
        self.connections = connections
        self.draining = draining
        self.accepted = accepted
        self.sent = sent
        self.received = received
        self.reconnects = reconnects
        self.problems = problems
        self.lastError = lastError
    }
}

/// What a session negotiated, in SSH's own names.
public struct TunnelAlgorithms: Codable, Sendable, Hashable {
    /// The key exchange, for instance `curve25519-sha256`.
    public var keyExchange: String
    /// The cipher from us to the server.
    public var cipherOut: String
    /// The cipher from the server to us.
    public var cipherIn: String
    /// The MAC from us to the server; `implicit` where the cipher authenticates.
    public var macOut: String
    /// The MAC from the server to us.
    public var macIn: String
    /// The host key that the server proved to have.
    public var hostKey: PublicKey

    /// Gathers the parts.
    public init(
        keyExchange: String, cipherOut: String, cipherIn: String, macOut: String, macIn: String,
        hostKey: PublicKey
    ) {
        self.keyExchange = keyExchange
        self.cipherOut = cipherOut
        self.cipherIn = cipherIn
        self.macOut = macOut
        self.macIn = macIn
        self.hostKey = hostKey
    }
}

/// Something wrong with a tunnel or its server, and what to do.
public struct TunnelProblem: Codable, Sendable, Hashable {
    /// When it was last seen. *Units:* seconds since 1970.
    public var at: Double
    /// A stable code.
    public var code: Code
    /// What happened, where.
    public var message: String
    /// What to do next.
    public var fix: String

    /// The kinds.
    public enum Code: String, Codable, Sendable, Hashable, CaseIterable {
        /// Another program has the entrance's port or path.
        case entranceTaken = "entrance-taken"
        /// The entrance cannot be made: permissions, no such folder, no such family.
        case entranceRefused = "entrance-refused"
        /// The server's name has no address.
        case unresolved = "server-unresolved"
        /// Nothing answers at the server's address.
        case unreachable = "server-unreachable"
        /// The host is there, and nothing listens on the port.
        case notListening = "server-not-listening"
        /// The server's host key is not one of the pinned.
        case hostKey = "host-key-changed"
        /// The server does not take our key.
        case authentication = "key-refused"
        /// No algorithm that both sides have is good enough.
        case negotiation = "no-common-algorithm"
        /// The session ended: the peer hung up, or was silent for too long.
        case lost = "session-lost"
        /// The server would not connect to the target: nothing listens there.
        case targetRefused = "target-refused"
        /// The server forbids the target.
        case targetForbidden = "target-forbidden"
        /// The node has no key of that name, or it cannot be read.
        case clientKey = "client-key-missing"
        /// sshd is not installed.
        case serverMissing = "sshd-missing"
        /// sshd does not accept its configuration, or ends at once.
        case serverFailed = "sshd-failed"
        /// The server's port is another program's.
        case serverPortTaken = "sshd-port-taken"
        /// Something that should not happen.
        case unexpected = "unexpected"
    }

    /// Gathers the parts.
    public init(at: Double, code: Code, message: String, fix: String) {
        self.at = at
        self.code = code
        self.message = message
        self.fix = fix
    }
}

/// A node's tunnel server as it is.
public struct ObservedTunnelServer: Codable, Sendable, Equatable {
    /// What differs from the document that it was observed for, a line each; empty where nothing does.
    public var differences: [String]
    /// The process that listens, or nil.
    public var process: Int32?
    /// Sessions that are open now.
    public var sessions: Int
    /// What is wrong with it, if anything is.
    public var problem: TunnelProblem?

    /// Gathers the parts.
    public init(
        differences: [String], process: Int32?, sessions: Int, problem: TunnelProblem? = nil
    ) {
        self.differences = differences
        self.process = process
        self.sessions = sessions
        self.problem = problem
    }
}
