/// One end of a forwarded connection: where a listener is, or where a service is reached.
public enum TunnelEnd: Codable, Sendable, Hashable {
    /// A TCP port of an address.
    case tcp(SocketEndpoint)
    /// A unix socket's absolute path.
    case unix(String)
}

extension TunnelEnd: CustomStringConvertible {
    /// `127.0.0.1:5432`, or the path.
    public var description: String {
        switch self {
        case .tcp(let endpoint): endpoint.description
        case .unix(let path): path
        }
    }
}

/// Which network a tunnel's session takes.
public enum TunnelWay: String, Codable, Sendable, Hashable, CaseIterable {
    /// The target's endpoint on the real network.
    case underlay
    /// The target's overlay address, so that WireGuard is beneath.
    case mesh
}

/// The near end of one edge's SSH tunnel, on the `from` node: its listeners and the session behind them.
public struct DesiredTunnel: Codable, Sendable, Hashable {
    /// The edge that it carries, `webui->postgres`; the tunnel's identity.
    public var edge: String
    /// The node on which the service is.
    public var node: String
    /// Which network the session takes.
    public var way: TunnelWay
    /// Where the node's tunnel server listens; a name is resolved at each connect.
    public var server: Endpoint
    /// The login name there.
    public var user: String
    /// The server's Ed25519 host keys, any of which is accepted and nothing else: one, or two while it changes.
    public var hostKeys: [PublicKey]
    /// Which of our node's own client keys to show.
    public var clientKey: PublicKey
    /// Where applications connect; loopback or unix sockets only. Where one of two addresses of a port cannot be had
    /// because the host has no such family, the other is enough.
    public var entrances: [TunnelEnd]
    /// What the server is asked to connect to.
    public var target: TunnelEnd

    /// Gathers the parts.
    public init(
        edge: String, node: String, way: TunnelWay, server: Endpoint, user: String,
        hostKeys: [PublicKey], clientKey: PublicKey, entrances: [TunnelEnd], target: TunnelEnd
    ) {
        self.edge = edge
        self.node = node
        self.way = way
        self.server = server
        self.user = user
        self.hostKeys = hostKeys
        self.clientKey = clientKey
        self.entrances = entrances
        self.target = target
    }
}

/// The far end of a node's tunnels: the sshd that meshproof runs for them alone.
public struct DesiredTunnelServer: Codable, Sendable, Hashable {
    /// The addresses to listen on; 0.0.0.0 and :: for every one.
    public var addresses: [IPAddress]
    /// The TCP port.
    public var port: UInt16
    /// The system user that every tunnel logs in as: no shell, no password, no home.
    public var user: String
    /// The node's own host key.
    public var hostKey: PublicKey
    /// Who may come, and what for.
    public var grants: [TunnelGrant]

    /// Gathers the parts.
    public init(
        addresses: [IPAddress], port: UInt16, user: String, hostKey: PublicKey,
        grants: [TunnelGrant]
    ) {
        self.addresses = addresses
        self.port = port
        self.user = user
        self.hostKey = hostKey
        self.grants = grants
    }
}

/// One key that may open connections to a few targets, and do nothing else.
public struct TunnelGrant: Codable, Sendable, Hashable {
    /// Whose key it is.
    public var node: String
    /// The key.
    public var key: PublicKey
    /// What it may connect to.
    public var targets: [TunnelEnd]
    /// Where it may come from; empty for anywhere.
    public var sources: [IPAddress]

    /// Gathers the parts.
    public init(node: String, key: PublicKey, targets: [TunnelEnd], sources: [IPAddress]) {
        self.node = node
        self.key = key
        self.targets = targets
        self.sources = sources
    }
}
