/// Does the service's own process pass something on, by a way that the topology does not know?
///
/// The edge itself stays what it is: what is found here is another hop, which is not declared.
enum OnwardCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let node = view.edge.to.node
        guard view.edge.to.managed, let facts = view.facts(node), let sockets = facts.sockets else {
            return inspection
        }
        let port = view.edge.service.port
        for namespace in sockets {
            let servers = namespace.listeners.filter { $0.local.port == port && port != 0 }
                .compactMap(\.process)
            for flow in namespace.flows {
                guard let process = flow.process, let remote = flow.remote?.unmapped,
                    flow.local.port != port, leaves(remote.address, facts)
                else { continue }
                let isSame = servers.contains(process)
                // A server may have a process of its own for each connection.
                guard isSame || servers.contains(where: { program($0) == program(process) }),
                    let finding = judge(flow, remote, node, isSame: isSame, view)
                else { continue }
                inspection.note(finding)
            }
        }
        return inspection
    }

    /// `socat` of `socat (pid 812)`.
    private static func program(_ process: String) -> Substring { process.prefix { $0 != " " } }

    /// Whether packets for an address leave the host other than by the mesh.
    private static func leaves(_ address: IPAddress, _ facts: NodeFacts) -> Bool {
        let peers = (facts.interfaces ?? []).compactMap(\.device).flatMap(\.peers)
        let isOverlay = peers.flatMap(\.allowedIPs).contains { $0.contains(address) }
        return !isOverlay && !HostReach(facts).contains(address)
    }

    private static func judge(
        _ flow: SocketFact, _ remote: SocketEndpoint, _ node: String, isSame: Bool,
        _ view: EdgeView
    ) -> Finding? {
        let other = view.everybody.first { facts in
            facts.node != node
                && (facts.links ?? []).flatMap(\.addresses).contains {
                    $0.address == remote.address
                }
        }?.node
        if other == nil && !isSame { return nil }
        // The wire knows whether an edge declares it.
        let declared: Set<WireFlow.Kind> = [.tls, .tunnel, .management]
        let isDeclared = view.everybody.flatMap { $0.capture?.flows ?? [] }.contains { seen in
            declared.contains(seen.kind)
                && [seen.source, seen.destination].contains { $0?.unmapped == remote }
        }
        if isDeclared { return nil }
        return Finding(
            .undeclaredTraffic, other == nil ? .note : .minor, on: node,
            "\(flow.process ?? view.edge.service.name) on \(node) has a connection to \(remote)\(other.map { " on \($0)" } ?? "") that no edge declares",
            fix:
                "if it carries what came over \(view.edge.id), declare it as an edge; else look at it: ss -tnp dst \(remote.address)"
        )
    }
}
