extension VerifyResolver {
    /// What may pass between machines on the underlay; whatever else does is a finding.
    public func allowedFlows() -> [AllowedFlow] {
        var flows: Set<AllowedFlow> = []
        for document in inputs.documents.values {
            for interface in document.interfaces {
                for peer in interface.peers { flows.insert(wireguard(document, interface, peer)) }
            }
            for tunnel in document.tunnels where tunnel.way == .underlay {
                flows.insert(
                    AllowedFlow(
                        kind: .tunnel, ipProtocol: 6, a: document.node, aPort: nil, b: tunnel.node,
                        bPort: tunnel.server.port))
            }
        }
        for edge in topology.edges where edge.via == .tls || edge.via == .mtls {
            guard let from = index.owner(of: edge.from), let service = index.service(edge.to),
                from != service.node
            else { continue }
            flows.insert(
                AllowedFlow(
                    kind: .tls, ipProtocol: 6, a: from, aPort: nil, b: service.node,
                    bPort: service.port))
        }
        let names = topology.nodes.map(\.name)
        for node in topology.managedNodes {
            guard case .ssh(_, _, let port) = node.connect else { continue }
            for other in names where other != node.name {
                flows.insert(
                    AllowedFlow(
                        kind: .management, ipProtocol: 6, a: other, aPort: nil, b: node.name,
                        bPort: port ?? Ownership.sshPort))
            }
        }
        return flows.sorted { left, right in
            (left.kind.rawValue, left.a, left.b, left.aPort ?? 0, left.bPort ?? 0)
                < (right.kind.rawValue, right.a, right.b, right.aPort ?? 0, right.bPort ?? 0)
        }
    }

    /// WireGuard sends from the port that it listens on; only a NAT between changes that.
    private func wireguard(
        _ document: NodeDocument, _ interface: DesiredInterface, _ peer: DesiredPeer
    ) -> AllowedFlow {
        let theirs = inputs.documents[peer.node]?.interfaces.first {
            $0.generation == interface.generation
        }
        let ends = [
            (document.node, isBehindNAT(document.node) ? nil : interface.listenPort),
            (peer.node, isBehindNAT(peer.node) ? nil : theirs?.listenPort),
        ].sorted { $0.0 < $1.0 }
        return AllowedFlow(
            kind: .wireguard, ipProtocol: 17, a: ends[0].0, aPort: ends[0].1, b: ends[1].0,
            bPort: ends[1].1)
    }

    private func isBehindNAT(_ node: String) -> Bool {
        guard let known = index.node(node) else { return true }
        return known.endpoint == nil || known.endpointPort != nil
    }
}
