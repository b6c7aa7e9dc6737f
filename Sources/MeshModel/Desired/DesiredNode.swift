/// What a node is wanted to be: the part of its document that is compared with the node.
public struct DesiredNode: Sendable, Equatable {
    /// The WireGuard interfaces.
    public var interfaces: [DesiredInterface]
    /// The tunnels that begin on the node.
    public var tunnels: [DesiredTunnel]
    /// The server for tunnels that end there, or nil.
    public var tunnelServer: DesiredTunnelServer?
    /// The guard, or nil where none is wanted.
    public var `guard`: DesiredGuard?
    /// The names that its resolver is to know, or nil for none.
    public var names: DesiredNames?

    /// Gathers the parts.
    public init(
        interfaces: [DesiredInterface] = [], tunnels: [DesiredTunnel] = [],
        tunnelServer: DesiredTunnelServer? = nil, guard: DesiredGuard? = nil,
        names: DesiredNames? = nil
    ) {
        self.interfaces = interfaces
        self.tunnels = tunnels
        self.tunnelServer = tunnelServer
        self.guard = `guard`
        self.names = names
    }

    /// A node on which nothing of ours is wanted.
    public static let bare = DesiredNode()
}

extension NodeDocument {
    /// What the document wants, without whom it is from and for.
    public var desired: DesiredNode {
        DesiredNode(
            interfaces: interfaces, tunnels: tunnels, tunnelServer: tunnelServer, guard: self.guard,
            names: names)
    }
}
