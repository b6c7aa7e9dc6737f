extension VerifyResolver {
    /// What each of these nodes' witnesses is to look at.
    public func witnessOrders(_ cases: [EdgeCase], on nodes: Set<String>) -> [String: WitnessOrder]
    {
        let hosts = hostFaces()
        let allowed = allowedFlows()
        var orders: [String: WitnessOrder] = [:]
        for node in nodes {
            let concerned = cases.filter { $0.from.node == node || $0.to.node == node }
            orders[node] = WitnessOrder(
                nonce: inputs.nonce, meshID: inputs.documents[node]?.meshID ?? "", node: node,
                hosts: hosts, allowed: allowed.filter { $0.a == node || $0.b == node },
                canaryPrefix: inputs.canaryPrefix, controlPrefix: inputs.controlPrefix,
                controlTargets: controlTargets(from: node, hosts),
                flows: concerned.flatMap { flows($0, on: node) },
                ports: Set(concerned.flatMap { ports($0, on: node) }).sorted())
        }
        return orders
    }

    /// Every machine of the mesh, unmanaged ones by where the topology and their peers say they are.
    private func hostFaces() -> [HostFace] {
        topology.nodes.map { node in
            HostFace(
                node: node.name, underlay: underlay(of: node.name),
                overlay: inputs.addresses[node.name] ?? [],
                hardware: inputs.faces[node.name]?.hardware ?? [])
        }
    }

    /// The first address of each family of every other machine, where a datagram in clear does no harm.
    private func controlTargets(from node: String, _ hosts: [HostFace]) -> [SocketEndpoint] {
        let own = inputs.faces[node]?.underlay ?? []
        return hosts.filter { $0.node != node }.flatMap { host in
            [IPAddress.Family.ipv4, .ipv6].compactMap { family in
                guard own.contains(where: { $0.family == family && !$0.isLinkLocal }) else {
                    return nil
                }
                return host.underlay.first { $0.family == family && !$0.isLinkLocal }.map {
                    SocketEndpoint($0, Ownership.nudgePort)
                }
            }
        }
    }

    /// The ways that the edge's packets take from this node, for every pair of overlay addresses.
    private func flows(_ edge: EdgeCase, on node: String) -> [FlowQuestion] {
        guard !edge.links.isEmpty else { return [] }
        let port = edge.via == .ssh ? topology.mesh.tunnelPort : edge.service.port
        return edge.from.overlay.flatMap { source in
            edge.to.overlay.filter { $0.family == source.family }.flatMap { target in
                var questions: [FlowQuestion] = []
                if edge.from.node == node {
                    // As the user who owns the client, and as root: rules may tell them apart.
                    let client = inputs.clients[node]?[port] ?? 0
                    questions.append(
                        FlowQuestion(
                            edge: edge.id, isReply: false, source: source, destination: target,
                            sourcePort: nil, destinationPort: port,
                            users: client == 0 ? [0] : [0, client]))
                }
                if edge.to.node == node {
                    questions.append(
                        FlowQuestion(
                            edge: edge.id, isReply: true, source: target, destination: source,
                            sourcePort: port, destinationPort: nil, users: [0]))
                }
                return questions
            }
        }
    }

    private func ports(_ edge: EdgeCase, on node: String) -> [UInt16] {
        var ports = [edge.service.port]
        if let tunnel = edge.tunnel {
            ports.append(tunnel.server.port)
            if edge.from.node == node {
                for case .tcp(let entrance) in tunnel.entrances { ports.append(entrance.port) }
            }
        }
        return ports.filter { $0 != 0 }
    }
}
