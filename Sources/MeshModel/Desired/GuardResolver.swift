/// Turns the edges and services of a topology into what each node's guard is to be. Pure.
///
/// The topology is the only way in: a mesh of `full` or `hub` peering without edges lets nothing but ICMP through.
public struct GuardResolver {
    private let topology: Topology
    private let index: PartyIndex
    private let addresses: [String: [IPAddress]]
    private let services: [String: [Service]]
    /// Services that an edge by TLS goes to: it brings its own encryption, and takes the underlay.
    private let onUnderlay: Set<String>
    /// The TCP ports of tunnels that begin on a node. They listen on loopback; should something else listen there on
    /// every address, it is a way in.
    private let entrances: [String: Set<UInt16>]

    /// For a topology and every node's overlay addresses.
    public init(_ topology: Topology, addresses: [String: [IPAddress]]) {
        let index = PartyIndex(topology)
        var onUnderlay: Set<String> = []
        var entrances: [String: Set<UInt16>] = [:]
        for edge in topology.edges {
            switch edge.via {
            case .tls, .mtls: onUnderlay.insert(edge.to)
            case .ssh:
                guard let from = index.owner(of: edge.from), let service = index.service(edge.to),
                    service.node != from, edge.options["local_socket"] == nil
                else { continue }
                let port = edge.options["local_port"].flatMap(UInt16.init) ?? service.port
                if port != 0 { entrances[from, default: []].insert(port) }
            case .wireguard, .local: continue
            }
        }
        self.topology = topology
        self.index = index
        self.addresses = addresses
        self.onUnderlay = onUnderlay
        self.entrances = entrances
        services = Dictionary(grouping: topology.services, by: \.node)
    }

    /// Whether the topology wants a guard on a node.
    public func isWanted(on node: Node) -> Bool {
        node.managed && (node.guardEnabled ?? topology.mesh.guardEnabled)
    }

    /// The guard of every node that is to have one.
    public func resolve() -> [String: DesiredGuard] {
        resolve(mail: MailResolver(topology, addresses: addresses).resolve())
    }

    func resolve(mail: [String: DesiredMail]) -> [String: DesiredGuard] {
        var guards: [String: DesiredGuard] = [:]
        for node in topology.managedNodes where isWanted(on: node) {
            guards[node.name] = DesiredGuard(
                addresses: addresses[node.name] ?? [], networks: topology.mesh.networks,
                shielded: shielded(on: node), managementPort: managementPort(of: node))
        }
        var admitted: [String: Set<GuardFlow>] = [:]
        var reachable: [String: Set<SocketEndpoint>] = [:]
        for edge in topology.edges {
            guard let from = index.owner(of: edge.from), let service = index.service(edge.to),
                from != service.node, let port = meshPort(edge, service)
            else { continue }
            let flows = flows(from: from, to: service.node, port)
            var keepers = [service.node]
            if case .hub(let hub) = topology.mesh.peering, hub != from, hub != service.node {
                keepers.append(hub)
            }
            for keeper in keepers where guards[keeper] != nil {
                admitted[keeper, default: []].formUnion(flows)
            }
            if guards[from] != nil {
                reachable[from, default: []].formUnion(
                    flows.map { SocketEndpoint($0.to, $0.port) })
            }
        }
        for name in guards.keys {
            guards[name]?.admitted =
                (Array(admitted[name] ?? []) + mailFlows(to: name, mail[name])).sorted()
            guards[name]?.reachable = (reachable[name] ?? []).sorted {
                ($0.address, $0.port) < ($1.address, $1.port)
            }
        }
        return guards
    }

    /// What agents ask each other: whether something waits for them. No edge has the port, see `TopologyFile`.
    ///
    /// A flow for each managed peer: on a large mesh these are most of all there is, so they come sorted.
    private func mailFlows(to name: String, _ mail: DesiredMail?) -> [GuardFlow] {
        guard let mail else { return [] }
        let own = (addresses[name] ?? []).sorted()
        let sources = mail.peers.flatMap(\.addresses).sorted()
        var flows: [GuardFlow] = []
        flows.reserveCapacity(own.count * sources.count)
        for target in own {
            for source in sources where source.family == target.family {
                flows.append(GuardFlow(from: source, to: target, port: mail.port))
            }
        }
        return flows
    }

    /// The services on a node whose port is shielded, in the topology's order.
    public func shieldedServices(on node: Node) -> [Service] {
        guard isWanted(on: node) else { return [] }
        let bare = spared(on: node)
        return (services[node.name] ?? []).filter { service in
            service.port != 0 && !bare.contains(service.port) && !onUnderlay.contains(service.name)
        }
    }

    /// Why a service of a node that has a guard is not shielded, or nil where it is.
    public func reasonNotToShield(_ service: Service) -> String? {
        guard let node = index.node(service.node), isWanted(on: node) else {
            return "the guard is off"
        }
        if case .unix = service.bind { return "it is a unix socket" }
        if spared(on: node).contains(service.port) {
            return "its port is that of management or of the mesh itself"
        }
        return onUnderlay.contains(service.name) ? "an edge reaches it by TLS" : nil
    }

    /// TCP ports that must stay reachable: whoever closes them is locked out.
    private func spared(on node: Node) -> Set<UInt16> {
        var ports: Set<UInt16> = [Ownership.sshPort, topology.mesh.tunnelPort]
        if case .ssh(_, _, let port?) = node.connect { ports.insert(port) }
        return ports
    }

    private func shielded(on node: Node) -> [ShieldedPort] {
        let wireguard = (0...1).map {
            Resolver.listenPort(topology.mesh.port, generation: $0)
        }
        var ports: Set<ShieldedPort> = []
        for service in shieldedServices(on: node) {
            ports.insert(ShieldedPort(.tcp, service.port))
            // A service may speak UDP on its port as well: NFS, HTTP/3.
            if !wireguard.contains(service.port) { ports.insert(ShieldedPort(.udp, service.port)) }
        }
        let spared = spared(on: node)
        for port in entrances[node.name] ?? [] where !spared.contains(port) {
            ports.insert(ShieldedPort(.tcp, port))
        }
        return ports.sorted()
    }

    /// The TCP port of the overlay address that an edge goes to, or nil where it does not go there.
    private func meshPort(_ edge: Edge, _ service: Service) -> UInt16? {
        switch edge.via {
        case .wireguard, .tls, .mtls: service.port == 0 ? nil : service.port
        case .ssh: edge.needsPeering ? topology.mesh.tunnelPort : nil
        case .local: nil
        }
    }

    private func flows(from: String, to: String, _ port: UInt16) -> [GuardFlow] {
        let targets = addresses[to] ?? []
        return (addresses[from] ?? []).flatMap { source in
            targets.filter { $0.family == source.family }.map {
                GuardFlow(from: source, to: $0, port: port)
            }
        }
    }

    /// The port of management that comes through the mesh; a guard must not be what ends it.
    private func managementPort(of node: Node) -> UInt16? {
        guard case .ssh(_, let host, let port) = node.connect, let address = IPAddress(host),
            topology.mesh.networks.contains(where: { $0.contains(address) })
        else { return nil }
        return port ?? Ownership.sshPort
    }
}
