import LinuxSystem
import MeshModel
import NodeProtocol

extension UpRun {
    /// How long handshakes are waited for: a first message that is lost is sent again after 5 s. *Units:* seconds.
    /// *Source:* REKEY_TIMEOUT of the WireGuard paper.
    private static let handshakePatience: Double = 6

    /// Makes every peering shake hands and counts those that have; a mesh that was not changed is only counted.
    ///
    /// A node that does not answer here is no failure of the run: its peerings count as silent.
    func awaitHandshakes(
        _ members: [Member], anyChange: Bool
    ) throws(ControllerError) -> (alive: Int, wanted: Int) {
        let names = Set(members.map(\.name))
        let wanted = Set(
            topology.peerings().filter { names.contains($0.a) && names.contains($0.b) })
        var alive: Set<Peering> = []
        for member in members { alive.formUnion(member.report.freshPeerings(of: member.name)) }
        if wanted.isEmpty || !anyChange {
            return (alive.intersection(wanted).count, wanted.count)
        }
        let identity = state.identity
        let greetings = Greetings(wanted, in: topology)
        let reached = try fleet.phase("shaking hands", members, name: \.name, isVital: false) {
            member throws(ControllerError) in
            let connection = try member.contact.agent(
                meshID: identity.meshID, mesh: identity.mesh)
            try connection.nudge(greetings.of(member.name))
            return connection
        }.results
        let listeners = members.filter { reached[$0.name] != nil }
        let deadline = Clocks.monotonic() + Self.handshakePatience
        // What was fresh before the change says nothing of what is there after it.
        alive = []
        while true {
            let seen = try fleet.phase("shaking hands", listeners, name: \.name, isVital: false) {
                member throws(ControllerError) in
                try reached[member.name]?.observe()
            }
            for (name, report) in seen.results {
                guard let report else { continue }
                alive.formUnion(report.freshPeerings(of: name))
            }
            alive.formIntersection(wanted)
            if alive.count == wanted.count || Clocks.monotonic() >= deadline { break }
            Clocks.sleep(0.25)
        }
        return (alive.count, wanted.count)
    }
}

extension NodeReport {
    /// The peerings of a node whose handshake is fresh, by the node's own clock.
    func freshPeerings(of node: String) -> [Peering] {
        let names = Dictionary(
            (document?.interfaces ?? []).flatMap(\.peers).map { ($0.publicKey, $0.node) },
            uniquingKeysWith: { first, _ in first })
        return observed.interfaces.flatMap { $0.device?.peers ?? [] }.compactMap { peer in
            guard peer.lastHandshake > 0,
                observed.observedAt - peer.lastHandshake <= StatusReport.freshness,
                let other = names[peer.publicKey]
            else { return nil }
            return Peering(node, other)
        }
    }
}
