/// Turns the edges that go by SSH into what both of their nodes are to be told. Pure.
struct TunnelResolver {
    private let topology: Topology
    private let index: PartyIndex
    private let inputs: ResolverInputs

    init(_ topology: Topology, _ inputs: ResolverInputs) {
        self.topology = topology
        self.inputs = inputs
        index = PartyIndex(topology)
    }

    /// The tunnels that begin on each node, and the server of each node on which one ends.
    func resolve() -> (tunnels: [String: [DesiredTunnel]], servers: [String: DesiredTunnelServer]) {
        var tunnels: [String: [DesiredTunnel]] = [:]
        var servers: [String: DesiredTunnelServer] = [:]
        var seen: Set<String> = []
        // An edge may be part of several paths; it is carried once.
        for edge in topology.edges where edge.via == .ssh && seen.insert(edge.id).inserted {
            guard let from = index.owner(of: edge.from), let service = index.service(edge.to),
                let node = index.node(service.node), from != node.name, node.managed,
                index.node(from)?.managed == true,
                let tunnel = tunnel(edge, service, on: node, from: from)
            else { continue }
            tunnels[from, default: []].append(tunnel)
            let old = servers[node.name] ?? server(of: node)
            servers[node.name] = granting(tunnel, to: from, in: old)
        }
        for (name, server) in servers {
            // Each node's two keys stand together, the one that it shows first.
            servers[name]?.grants = server.grants.sorted { $0.node < $1.node }.flatMap(doubled)
        }
        return (tunnels.mapValues { $0.sorted { $0.edge < $1.edge } }, servers)
    }

    private func tunnel(
        _ edge: Edge, _ service: Service, on node: Node, from: String
    ) -> DesiredTunnel? {
        let overlay = inputs.addresses[node.name] ?? []
        let way = edge.options["over"].flatMap(TunnelWay.init) ?? .underlay
        let host = way == .mesh ? overlay.first?.description : node.endpoint
        guard let host, let target = Self.target(service, overlay: overlay) else { return nil }
        return DesiredTunnel(
            edge: edge.id, node: node.name, way: way,
            server: Endpoint(host: host, port: topology.mesh.tunnelPort),
            user: Ownership.tunnelUser(mesh: topology.mesh.name),
            hostKeys: hostKeys(of: node.name), clientKey: keys(of: from).client,
            entrances: Self.entrances(edge, service), target: target)
    }

    /// A grant, and the same for the key that its node is to show next, or showed before.
    private func doubled(_ grant: TunnelGrant) -> [TunnelGrant] {
        guard let beside = inputs.sshKeysBeside[grant.node], beside.client != grant.key else {
            return [grant]
        }
        var second = grant
        second.key = beside.client
        return [grant, second]
    }

    /// The host keys that a node's server may show.
    private func hostKeys(of node: String) -> [PublicKey] {
        let first = keys(of: node).host
        guard let beside = inputs.sshKeysBeside[node]?.host, beside != first else { return [first] }
        return [first, beside]
    }

    private func keys(of node: String) -> SSHNodeKeys { inputs.sshKeys[node] ?? .unmade }

    private static func target(_ service: Service, overlay: [IPAddress]) -> TunnelEnd? {
        let address: IPAddress?
        switch service.bind {
        case .any, .loopback: address = .loopbackIPv4
        case .mesh: address = overlay.first
        case .address(let own): address = own
        case .unix(let path): return .unix(path)
        }
        return address.map { .tcp(SocketEndpoint($0, service.port)) }
    }

    private static func entrances(_ edge: Edge, _ service: Service) -> [TunnelEnd] {
        if let path = edge.options["local_socket"] { return [.unix(path)] }
        let port = edge.options["local_port"].flatMap(UInt16.init) ?? service.port
        // Applications that are told `localhost` may try either family first.
        return [.loopbackIPv4, .loopbackIPv6].map { .tcp(SocketEndpoint($0, port)) }
    }

    private func server(of node: Node) -> DesiredTunnelServer {
        DesiredTunnelServer(
            addresses: inputs.addresses[node.name] ?? [], port: topology.mesh.tunnelPort,
            user: Ownership.tunnelUser(mesh: topology.mesh.name), hostKey: keys(of: node.name).host,
            grants: [])
    }

    private func granting(
        _ tunnel: DesiredTunnel, to from: String, in server: DesiredTunnelServer
    ) -> DesiredTunnelServer {
        var server = server
        if tunnel.way == .underlay { server.addresses = [.anyIPv4, .anyIPv6] }
        // Over the mesh a session comes from the node's overlay addresses; on the underlay it may be behind anything.
        let sources = tunnel.way == .mesh ? inputs.addresses[from] ?? [] : []
        guard let position = server.grants.firstIndex(where: { $0.node == from }) else {
            server.grants.append(
                TunnelGrant(
                    node: from, key: tunnel.clientKey, targets: [tunnel.target], sources: sources))
            return server
        }
        if !server.grants[position].targets.contains(tunnel.target) {
            server.grants[position].targets.append(tunnel.target)
        }
        if sources.isEmpty { server.grants[position].sources = [] }
        return server
    }
}
