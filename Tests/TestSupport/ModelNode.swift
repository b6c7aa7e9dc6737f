package import MeshModel

/// A kernel small enough to reason about, with WireGuard's rule that an allowed IP belongs to one peer.
package struct ModelNode {
    package private(set) var node: ObservedNode
    /// Allowed IPs that were somebody's and, for the time between two steps, nobody's.
    package private(set) var orphaned: Set<IPPrefix> = []
    package private(set) var failures: [String] = []
    private var nextIndex: Int32 = 100

    package init(_ node: ObservedNode) {
        self.node = node
    }

    package mutating func apply(_ steps: [PlanStep]) {
        for step in steps { apply(step.change) }
    }

    package mutating func apply(_ change: Change) {
        switch change {
        case .installBinary, .enroll, .startAgent, .pinController: break
        case .createInterface(let name, let backend): create(name, backend)
        case .deleteInterface(let name): delete(name)
        case .setPrivateKey(let name, _, let key): device(name) { $0.publicKey = key }
        case .setListenPort(let name, let port): device(name) { $0.listenPort = port }
        case .setLinkGroup(let name): interface(name) { $0.group = Ownership.linkGroup }
        case .setMTU(let name, let mtu): interface(name) { $0.mtu = mtu }
        case .linkUp(let name): interface(name) { $0.isUp = true }
        case .addPeer(let name, let peer, let endpoint): add(peer, endpoint, to: name)
        case .updatePeer(let name, let update): self.update(update, of: name)
        case .removePeer(let name, let key):
            device(name) { $0.peers.removeAll { $0.publicKey == key } }
        case .addAddress(let name, let address): interface(name) { $0.addresses.append(address) }
        case .removeAddress(let name, let address):
            interface(name) { $0.addresses.removeAll { $0 == address } }
        case .setRoute(let route): set(route)
        case .removeRoute(let route): node.routes.removeAll { $0 == route }
        case .setTunnelServer:
            node.tunnelServer = ObservedTunnelServer(differences: [], process: 1, sessions: 0)
        case .removeTunnelServer: node.tunnelServer = nil
        case .openTunnel(let tunnel):
            if node.tunnels.contains(where: { $0.tunnel.edge == tunnel.edge }) {
                failures.append("tunnel \(tunnel.edge) is open")
            }
            node.tunnels.append(ObservedTunnel(tunnel: tunnel, state: .up, since: 0))
        case .changeTunnel(let tunnel):
            guard let at = node.tunnels.firstIndex(where: { $0.tunnel.edge == tunnel.edge }) else {
                failures.append("no tunnel \(tunnel.edge)")
                return
            }
            node.tunnels[at].tunnel = tunnel
        case .closeTunnel(let edge): node.tunnels.removeAll { $0.tunnel.edge == edge }
        case .setGuard: node.guard = ObservedGuard(differences: [])
        case .removeGuard: node.guard = nil
        case .setNames: node.names = ObservedNames(differences: [])
        case .removeNames: node.names = nil
        }
    }

    /// The first peer of an interface is heard of.
    package mutating func touch(_ name: String, handshake: Double) {
        device(name) { $0.peers[0].lastHandshake = handshake }
    }

    private mutating func create(_ name: String, _ backend: BackendChoice) {
        if node.interfaces.contains(where: { $0.name == name }) {
            failures.append("\(name) exists")
        }
        nextIndex += 1
        let device = ObservedDevice(publicKey: nil, listenPort: 0, fwmark: 0, peers: [])
        node.interfaces.append(
            ObservedInterface(
                name: name, index: nextIndex, kind: backend == .userspace ? .userspace : .kernel,
                isUp: false, mtu: 1420, group: Ownership.linkGroup, addresses: [], device: device))
    }

    private mutating func delete(_ name: String) {
        if !node.interfaces.contains(where: { $0.name == name }) { failures.append("no \(name)") }
        node.interfaces.removeAll { $0.name == name }
        node.routes.removeAll { $0.interface == name }
    }

    private mutating func set(_ route: ObservedRoute) {
        if let name = route.interface {
            let there = node.interfaces.first { $0.name == name }
            if there?.isUp != true { failures.append("route by \(name), which is not up") }
            if let source = route.source,
                there?.addresses.contains(where: { $0.address == source }) != true
            {
                failures.append("route from \(source), which is not ours")
            }
        }
        let rival = node.routes.firstIndex {
            $0.destination == route.destination && $0.metric == route.metric
        }
        if let rival { node.routes[rival] = route } else { node.routes.append(route) }
    }

    private mutating func add(_ peer: DesiredPeer, _ endpoint: SocketEndpoint?, to name: String) {
        device(name) { device in
            device.peers.append(
                ObservedPeer(
                    publicKey: peer.publicKey, presharedKey: peer.presharedKey, endpoint: endpoint,
                    keepalive: peer.keepalive ?? 0, allowedIPs: [], lastHandshake: 0, rxBytes: 0,
                    txBytes: 0))
        }
        replaceAllowedIPs(of: peer.publicKey, on: name, with: peer.allowedIPs)
    }

    private mutating func update(_ update: PeerUpdate, of name: String) {
        device(name) { device in
            guard let at = device.peers.firstIndex(where: { $0.publicKey == update.publicKey })
            else {
                return
            }
            if let key = update.presharedKey { device.peers[at].presharedKey = key }
            if update.removePresharedKey { device.peers[at].presharedKey = nil }
            if let endpoint = update.endpoint { device.peers[at].endpoint = endpoint }
            if let keepalive = update.keepalive { device.peers[at].keepalive = keepalive }
        }
        if let list = update.allowedIPs {
            replaceAllowedIPs(of: update.publicKey, on: name, with: list)
        }
    }

    private mutating func replaceAllowedIPs(
        of key: PublicKey, on name: String, with list: [IPPrefix]
    ) {
        let before = owned(name)
        device(name) { device in
            let networks = Set(list.map(\.network))
            for index in device.peers.indices {
                if device.peers[index].publicKey == key {
                    device.peers[index].allowedIPs = networks.sorted()
                } else {
                    device.peers[index].allowedIPs.removeAll { networks.contains($0) }
                }
            }
        }
        orphaned.formUnion(before.subtracting(owned(name)))
    }

    private func owned(_ name: String) -> Set<IPPrefix> {
        let device = node.interfaces.first { $0.name == name }?.device
        return Set((device?.peers ?? []).flatMap(\.allowedIPs))
    }

    private mutating func interface(_ name: String, _ body: (inout ObservedInterface) -> Void) {
        guard let at = node.interfaces.firstIndex(where: { $0.name == name }) else {
            failures.append("no interface \(name)")
            return
        }
        body(&node.interfaces[at])
    }

    private mutating func device(_ name: String, _ body: (inout ObservedDevice) -> Void) {
        interface(name) { interface in
            guard var device = interface.device else { return }
            body(&device)
            interface.device = device
        }
    }
}
