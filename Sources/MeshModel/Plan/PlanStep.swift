/// One thing to do to one node, and why. What `plan` prints is what `up` does.
public struct PlanStep: Codable, Sendable, Equatable {
    /// What to do.
    public var change: Change
    /// Why: what was found, against what is wanted.
    public var reason: String

    /// Pairs a change with its reason.
    public init(_ change: Change, reason: String) {
        self.change = change
        self.reason = reason
    }
}

/// A change to a node. Each is complete in itself and safe to repeat.
public enum Change: Codable, Sendable, Equatable {
    /// Puts this program on the node.
    case installBinary(version: String)
    /// Makes the node's keys and pins the controller's.
    case enroll
    /// Starts the agent, by systemd where there is one.
    case startAgent
    /// Has the node pin the controller's key of now in the place of a former one.
    case pinController(key: PublicKey)
    /// Makes a WireGuard interface, down and empty, in our group.
    case createInterface(name: String, backend: BackendChoice)
    /// Removes an interface with all that hangs on it.
    case deleteInterface(name: String)
    /// Gives the device the node's private key for a generation; `publicKey` is its other half.
    case setPrivateKey(interface: String, generation: Int, publicKey: PublicKey)
    /// Sets the UDP port.
    case setListenPort(interface: String, port: UInt16)
    /// Puts the interface in our group.
    case setLinkGroup(interface: String)
    /// Sets the MTU.
    case setMTU(interface: String, mtu: Int)
    /// Brings the interface up.
    case linkUp(interface: String)
    /// Adds a peer with all its settings.
    case addPeer(interface: String, peer: DesiredPeer, endpoint: SocketEndpoint?)
    /// Changes some settings of a peer; nil leaves a setting alone.
    case updatePeer(interface: String, update: PeerUpdate)
    /// Removes a peer.
    case removePeer(interface: String, publicKey: PublicKey)
    /// Adds an overlay address.
    case addAddress(interface: String, address: IPPrefix)
    /// Removes an address from our interface.
    case removeAddress(interface: String, address: IPPrefix)
    /// Adds a route, or replaces the one for the same destination and metric.
    case setRoute(route: ObservedRoute)
    /// Removes a route of ours.
    case removeRoute(route: ObservedRoute)
    /// Brings the tunnel server to what is wanted: user, files and process; makes what is missing.
    case setTunnelServer(server: DesiredTunnelServer)
    /// Ends the tunnel server with all that belongs to it.
    case removeTunnelServer
    /// Opens a tunnel.
    case openTunnel(tunnel: DesiredTunnel)
    /// Moves a tunnel to new settings; connections that are open stay with the former session until they end.
    case changeTunnel(tunnel: DesiredTunnel)
    /// Closes a tunnel; connections that are open may end first.
    case closeTunnel(edge: String)
    /// Sets the guard: the whole table, in one transaction.
    case setGuard(guard: DesiredGuard)
    /// Removes the guard.
    case removeGuard
    /// Puts the mesh's block into /etc/hosts.
    case setNames(names: DesiredNames)
    /// Takes that block away.
    case removeNames
}

extension Change {
    /// Whether it is about a tunnel or the tunnel server, and not about the mesh beneath.
    public var isOfTunnels: Bool {
        switch self {
        case .setTunnelServer, .removeTunnelServer, .openTunnel, .changeTunnel, .closeTunnel: true
        default: false
        }
    }
}

extension Change {
    /// Whether its failure is no reason to take the rest of a change back: the mesh stands without it, the failure is
    /// told, and each sweep tries again.
    public var mayFailAlone: Bool {
        switch self {
        case .setNames, .removeNames: true
        default: isOfTunnels
        }
    }
}

/// Settings of a peer that differ; nil leaves a setting alone.
public struct PeerUpdate: Codable, Sendable, Equatable {
    /// Which node it is.
    public var node: String
    /// Which peer it is.
    public var publicKey: PublicKey
    /// A new preshared key.
    public var presharedKey: PresharedKeyID?
    /// Whether to remove the preshared key.
    public var removePresharedKey: Bool
    /// A new endpoint.
    public var endpoint: SocketEndpoint?
    /// A new keepalive; 0 turns it off.
    public var keepalive: UInt16?
    /// The whole new list of allowed IPs.
    public var allowedIPs: [IPPrefix]?

    /// An update that changes nothing yet.
    public init(node: String, publicKey: PublicKey) {
        self.node = node
        self.publicKey = publicKey
        removePresharedKey = false
    }

    /// Whether nothing is changed.
    public var isEmpty: Bool {
        presharedKey == nil && !removePresharedKey && endpoint == nil && keepalive == nil
            && allowedIPs == nil
    }
}
