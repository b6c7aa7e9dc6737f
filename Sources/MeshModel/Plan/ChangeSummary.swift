extension Change {
    /// The change in one line, for people: "add peer gpu (dKq3…): 10.77.0.2/32, endpoint 198.51.100.12:51820".
    public var summary: String {
        switch self {
        case .installBinary(let version): return "install meshproof \(version)"
        case .enroll: return "enrol the node: make its key, pin the controller's"
        case .startAgent: return "start the agent"
        case .pinController(let key): return "pin the controller's new key (\(key.short)…)"
        case .createInterface(let name, let backend):
            return "create interface \(name)" + (backend == .auto ? "" : " (\(backend.rawValue))")
        case .deleteInterface(let name): return "delete interface \(name)"
        case .setPrivateKey(let interface, let generation, let publicKey):
            let key = publicKey == .zero ? "not made yet" : "\(publicKey.short)…"
            return "set private key of \(interface): generation \(generation) (\(key))"
        case .setListenPort(let interface, let port): return "set port of \(interface): \(port)"
        case .setLinkGroup(let interface): return "put \(interface) in the mesh's link group"
        case .setMTU(let interface, let mtu): return "set MTU of \(interface): \(mtu)"
        case .linkUp(let interface): return "bring \(interface) up"
        case .addPeer(_, let peer, let endpoint): return Self.summary(of: peer, endpoint)
        case .updatePeer(_, let update): return "update peer " + update.summary
        case .removePeer(_, let publicKey): return "remove peer \(publicKey.short)…"
        case .addAddress(let interface, let address):
            return "add address \(address) to \(interface)"
        case .removeAddress(let interface, let address):
            return "remove address \(address) from \(interface)"
        case .setRoute(let route): return "set route \(route.summary)"
        case .removeRoute(let route): return "remove route \(route.summary)"
        case .setTunnelServer(let server): return "set tunnel server: " + server.summary
        case .removeTunnelServer: return "remove the tunnel server"
        case .openTunnel(let tunnel): return "open tunnel " + tunnel.summary
        case .changeTunnel(let tunnel): return "change tunnel " + tunnel.summary
        case .closeTunnel(let edge): return "close tunnel \(edge)"
        case .setGuard(let wanted): return "set the guard: " + wanted.summary
        case .removeGuard: return "remove the guard"
        case .setNames(let names): return "set \(names.entries.count) lines in /etc/hosts"
        case .removeNames: return "remove the mesh's lines from /etc/hosts"
        }
    }

    /// The interface that the change is about, where it is about one.
    public var interface: String? {
        switch self {
        case .installBinary, .enroll, .startAgent, .pinController, .setTunnelServer,
            .removeTunnelServer, .openTunnel, .changeTunnel, .closeTunnel, .setGuard, .removeGuard,
            .setNames, .removeNames:
            return nil
        case .createInterface(let name, _), .deleteInterface(let name),
            .setPrivateKey(let name, _, _),
            .setListenPort(let name, _), .setLinkGroup(let name), .setMTU(let name, _),
            .linkUp(let name), .addPeer(let name, _, _), .updatePeer(let name, _),
            .removePeer(let name, _), .addAddress(let name, _), .removeAddress(let name, _):
            return name
        case .setRoute(let route), .removeRoute(let route): return route.interface
        }
    }

    private static func summary(of peer: DesiredPeer, _ endpoint: SocketEndpoint?) -> String {
        let key = peer.publicKey == .zero ? "key not made yet" : "\(peer.publicKey.short)…"
        var text = "add peer \(peer.node) (\(key)): \(PeerUpdate.list(peer.allowedIPs))"
        if let place = endpoint?.description ?? peer.endpoint?.description {
            text += ", endpoint \(place)"
        }
        return text
    }
}

extension PlanStep {
    /// The change in one line, for people.
    public var summary: String { change.summary }
}

extension PeerUpdate {
    /// What is updated, in one line.
    var summary: String {
        var parts: [String] = []
        if let allowedIPs { parts.append("allowed IPs \(Self.list(allowedIPs))") }
        if let endpoint { parts.append("endpoint \(endpoint)") }
        if let keepalive {
            parts.append(keepalive == 0 ? "no keepalive" : "keepalive \(keepalive) s")
        }
        if removePresharedKey { parts.append("no preshared key") }
        if presharedKey != nil { parts.append("preshared key") }
        return "\(node) (\(publicKey.short)…): \(parts.joined(separator: ", "))"
    }

    static func list(_ prefixes: [IPPrefix]) -> String {
        if prefixes.isEmpty { return "no allowed IPs" }
        let shown = prefixes.prefix(3).map(\.description).joined(separator: ", ")
        return prefixes.count > 3 ? "\(shown) and \(prefixes.count - 3) more" : shown
    }
}

extension ObservedRoute {
    /// `10.77.0.2/32 via mp0-homelab`, or `10.77.0.0/24: unreachable`.
    var summary: String {
        switch kind {
        case .unreachable: return "\(destination): unreachable"
        case .unicast:
            return "\(destination) via \(interface ?? "nothing")"
                + (source.map { " from \($0)" } ?? "")
        }
    }
}

extension DesiredTunnel {
    /// `webui->postgres: 127.0.0.1:5432 to 127.0.0.1:5432 on db, by 198.51.100.13:51822`.
    var summary: String {
        let entrance = entrances.first?.description ?? "nowhere"
        return "\(edge): \(entrance) to \(target) on \(node), by \(server)"
    }
}

extension DesiredTunnelServer {
    /// `port 51822, 2 keys`.
    var summary: String {
        let names = grants.map(\.node).joined(separator: ", ")
        return "port \(port), for \(names.isEmpty ? "nobody" : names)"
    }
}

extension DesiredGuard {
    /// `lets in 3 flows of the mesh, shields ports 5432 and 8080`.
    var summary: String {
        var ports: [String] = []
        for port in shielded.map({ "\($0.port)" }) where ports.last != port { ports.append(port) }
        let flows = Set(admitted.map { "\($0.port)" }).count
        let shields =
            ports.isEmpty
            ? "nothing" : (ports.count == 1 ? "port " : "ports ") + ports.joined(separator: ", ")
        return "\(flows) \(flows == 1 ? "port" : "ports") open to the mesh, \(shields) shielded"
    }
}
