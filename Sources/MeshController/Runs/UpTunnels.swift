import LinuxSystem
import MeshModel
import NodeProtocol

extension UpRun {
    /// How long tunnels are waited for: a session takes well under a second, a busy machine some more. *Units:* seconds.
    private static let tunnelPatience: Double = 10

    /// Has every tunnel try now that both of its ends are in force, and waits until each stands or says why not.
    ///
    /// A node that does not answer here is no failure of the run: its tunnels are of unknown state.
    func awaitTunnels(_ members: [Member], anyChange: Bool) throws(ControllerError)
        -> [TunnelStatus]
    {
        let before = Dictionary(
            members.map { ($0.name, $0.report) }, uniquingKeysWith: { first, _ in first })
        let wanted = tunnels(before)
        if wanted.isEmpty || !anyChange && wanted.allSatisfy({ $0.state == .up }) { return wanted }
        let ends = Set(wanted.flatMap { [$0.from, $0.to] })
        let concerned = members.filter { ends.contains($0.name) }
        let identity = state.identity
        let connections = try fleet.phase(
            "opening tunnels", concerned, name: \.name, isVital: false
        ) { member throws(ControllerError) in
            let agent = try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            try agent.wakeTunnels()
            return agent
        }.results
        let deadline = Clocks.monotonic() + Self.tunnelPatience
        while true {
            let reports = try fleet.phase(
                "opening tunnels", concerned.filter { connections[$0.name] != nil }, name: \.name,
                isVital: false
            ) { member throws(ControllerError) in
                try connections[member.name]?.observe()
            }.results.compactMapValues { $0 }
            let found = tunnels(reports)
            let isSettled = found.allSatisfy { $0.state != .connecting }
            if isSettled || Clocks.monotonic() >= deadline { return found }
            Clocks.sleep(0.2)
        }
    }

    /// The tunnels between nodes that this run works on.
    private func tunnels(_ reports: [String: NodeReport]) -> [TunnelStatus] {
        TunnelStatus.list(topology, reports: reports).filter {
            only?.isSuperset(of: [$0.from, $0.to]) ?? true
        }
    }
}
