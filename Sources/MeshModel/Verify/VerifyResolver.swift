/// Turns the edges of a topology into what `verify` holds them to. Pure.
public struct VerifyResolver: Sendable {
    let topology: Topology
    let inputs: VerifyInputs
    let index: PartyIndex

    /// For a topology and all that is known beside it.
    public init(_ topology: Topology, _ inputs: VerifyInputs) {
        self.topology = topology
        self.inputs = inputs
        index = PartyIndex(topology)
    }

    /// Every edge once, in the topology's order, with all paths that it is part of.
    public func cases() -> [EdgeCase] {
        var paths: [String: [Path]] = [:]
        var order: [Edge] = []
        for path in topology.paths {
            for edge in path.edges {
                if paths[edge.id] == nil { order.append(edge) }
                paths[edge.id, default: []].append(path)
            }
        }
        return order.enumerated().compactMap { position, edge in
            edgeCase(edge, paths[edge.id] ?? [], number: position)
        }
    }

    private func edgeCase(_ edge: Edge, _ paths: [Path], number: Int) -> EdgeCase? {
        guard let from = index.owner(of: edge.from), let service = index.service(edge.to),
            let kind = service.catalogued
        else { return nil }
        let goesByMesh = from != service.node && edge.needsPeering
        var hub: String?
        if goesByMesh, case .hub(let name) = topology.mesh.peering, name != from,
            name != service.node
        {
            hub = name
        }
        var carries: [String] = []
        for word in paths.flatMap(\.carries) where !carries.contains(word) { carries.append(word) }
        return EdgeCase(
            id: edge.id, paths: paths.map(\.name), carries: carries, via: edge.via,
            from: end(edge.from, on: from), to: end(edge.to, on: service.node),
            service: ServiceCase(
                name: service.name, kind: service.kind, wireProtocol: kind.wireProtocol,
                port: service.port, bind: service.bind),
            links: goesByMesh ? links(from, service.node, through: hub) : [], hub: hub,
            tunnel: inputs.documents[from]?.tunnels.first { $0.edge == edge.id },
            formerTunnel: inputs.formerTunnels[edge.id],
            tls: tls(edge, to: service.node),
            // The last letter keeps one from being the beginning of another.
            canary: inputs.canaryPrefix + "e\(number)z")
    }

    private func end(_ party: String, on node: String) -> EdgeEnd {
        let known = index.node(node)
        return EdgeEnd(
            party: party, node: node, managed: known?.managed ?? false,
            overlay: inputs.addresses[node] ?? [], underlay: underlay(of: node),
            guarded: inputs.documents[node]?.guard != nil)
    }

    /// What the node says, and where the topology says that others reach it: behind NAT the two differ.
    func underlay(of node: String) -> [IPAddress] {
        var found = inputs.faces[node]?.underlay ?? []
        if let endpoint = index.node(node)?.endpoint.flatMap({ IPAddress($0) }),
            !found.contains(endpoint)
        {
            found.append(endpoint)
        }
        return found
    }

    private func links(_ from: String, _ to: String, through hub: String?) -> [MeshLinkCase] {
        guard let hub else { return links(from, to) }
        return links(from, hub) + links(hub, to)
    }

    /// One link a generation in which either end is to have the other as its peer.
    private func links(_ a: String, _ b: String) -> [MeshLinkCase] {
        let interfaces = inputs.documents[a]?.interfaces ?? inputs.documents[b]?.interfaces ?? []
        let shared = interfaces.filter { interface in
            [(a, b), (b, a)].contains { own, other in
                inputs.documents[own]?.interfaces.contains {
                    $0.generation == interface.generation
                        && $0.peers.contains { $0.node == other }
                } ?? false
            }
        }
        // Where neither names the other, what is missing is told of every one.
        return (shared.isEmpty ? interfaces : shared).map { interface in
            MeshLinkCase(
                generation: interface.generation, interface: interface.name,
                a: linkEnd(a, seenBy: b, interface.generation),
                b: linkEnd(b, seenBy: a, interface.generation))
        }
    }

    private func linkEnd(_ node: String, seenBy other: String, _ generation: Int) -> LinkEnd {
        let own = inputs.documents[node]?.interfaces.first { $0.generation == generation }
        let seen = inputs.documents[other]?.interfaces.first { $0.generation == generation }?.peers
            .first { $0.node == node }
        let hosts = (inputs.addresses[node] ?? []).map { IPPrefix(host: $0) }
        return LinkEnd(
            node: node,
            key: own?.publicKey ?? seen?.publicKey ?? inputs.unmanagedKeys[node] ?? .zero,
            port: own?.listenPort ?? 0, allowedIPs: seen?.allowedIPs ?? hosts)
    }

    private func tls(_ edge: Edge, to node: String) -> TLSCase? {
        guard edge.via == .tls || edge.via == .mtls else { return nil }
        let options = edge.options
        return TLSCase(
            minimum: options["min"] ?? "TLS1.2",
            name: options["name"] ?? index.node(node)?.endpoint ?? node,
            authorities: options["ca"], certificate: options["cert"], key: options["key"],
            isMutual: edge.via == .mtls)
    }
}
