import LinuxSystem
import MeshModel
import NodeProtocol

extension RotateRun {
    /// How long handshakes are waited for: three attempts. *Units:* seconds.
    private static let patience = 15.0
    /// A lost first message is sent again after this. *Source:* REKEY_TIMEOUT of the WireGuard paper.
    private static let again = 5.0

    /// Waits until every peering has shaken hands with its new keys, at both ends.
    ///
    /// Packets for peers go by the old interface still, so each greeting is sent out of the new one by name. A peering
    /// that has no handshake with its old keys either is no reason to stop: there is nothing to lose.
    /// *Returns:* those, in words.
    func shake(
        _ members: [UpRun.Member], _ plan: RotationPlan
    ) throws(ControllerError) -> [String] {
        guard let turn = plan.wireguard else { return [] }
        let names = Set(members.map(\.name))
        let wanted = Set(
            topology.peerings().filter {
                names.contains($0.a) && names.contains($0.b) && plan.concerns($0)
            })
        if wanted.isEmpty { return [] }
        let mesh = topology.mesh.name
        let greetings = Greetings(wanted, in: topology)
        let interfaces = [turn.to, turn.from].map {
            DesiredInterface.name(mesh: mesh, generation: $0)
        }
        let identity = state.identity
        let agents = try fleet.phase("shaking hands", members, name: \.name) {
            member throws(ControllerError) in
            try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        }.results
        let deadline = Clocks.monotonic() + Self.patience
        var greetAt = 0.0
        while true {
            let isTime = Clocks.monotonic() >= greetAt
            if isTime { greetAt = Clocks.monotonic() + Self.again }
            let seen = try fleet.phase("shaking hands", members, name: \.name) {
                member throws(ControllerError) in
                guard let agent = agents[member.name] else { return NodeReport?.none }
                if isTime {
                    for interface in interfaces {
                        try agent.nudge(greetings.of(member.name), by: interface)
                    }
                }
                return try agent.observe()
            }
            let reports = seen.results.compactMapValues(\.self)
            let silent = wanted.filter {
                !Self.isAlive($0, turn.to, reports, atBothEnds: true)
            }
            if silent.isEmpty { return [] }
            if Clocks.monotonic() >= deadline {
                return try judge(silent, turn, reports, seen.failures)
            }
            Clocks.sleep(0.2)
        }
    }

    private func judge(
        _ silent: Set<Peering>, _ turn: RotationPlan.Turn, _ reports: [String: NodeReport],
        _ failures: [String: ControllerError]
    ) throws(ControllerError) -> [String] {
        let lost = silent.filter { Self.isAlive($0, turn.from, reports, atBothEnds: false) }
        if let name = failures.keys.sorted().first, let error = failures[name] {
            throw ControllerError(error.code, "\(name): \(error.message)", hint: error.hint)
        }
        guard lost.isEmpty else {
            let port = Resolver.listenPort(topology.mesh.port, generation: turn.to)
            throw ControllerError(
                .apply,
                "no handshake with the new keys: "
                    + lost.sorted().map { "\($0.a)-\($0.b)" }.joined(separator: ", "),
                hint:
                    "UDP port \(port) must be open at their endpoints, as the one before was; then "
                    + "meshproof rotate --resume, or meshproof rotate --abort")
        }
        return silent.sorted().map { "\($0.a)-\($0.b)" }
    }

    /// Whether a peering has a fresh handshake in a generation.
    private static func isAlive(
        _ pair: Peering, _ generation: Int, _ reports: [String: NodeReport], atBothEnds: Bool
    ) -> Bool {
        let ends = [(pair.a, pair.b), (pair.b, pair.a)].map { node, other in
            reports[node].map { $0.hasHandshake(with: other, generation: generation) } ?? false
        }
        return atBothEnds ? ends.allSatisfy(\.self) : ends.contains(true)
    }
}

extension NodeReport {
    /// When this node last shook hands with another by its interface of a generation, by its own clock; nil where they
    /// are no peers there, 0 where never.
    func lastHandshake(with other: String, generation: Int) -> Double? {
        guard
            let wanted = document?.interfaces.first(where: { $0.generation == generation }),
            let key = wanted.peers.first(where: { $0.node == other })?.publicKey,
            let device = observed.interfaces.first(where: { $0.name == wanted.name })?.device
        else { return nil }
        return device.peers.first { $0.publicKey == key }?.lastHandshake
    }

    /// Whether this node has a fresh handshake with another by its interface of a generation.
    func hasHandshake(with other: String, generation: Int) -> Bool {
        guard let last = lastHandshake(with: other, generation: generation) else { return false }
        return last > 0 && observed.observedAt - last <= StatusReport.freshness
    }

    /// All bytes that have passed between this node and some of its peers by a generation's interface; 0 where there is
    /// none.
    func traffic(generation: Int, with isMeant: (String) -> Bool) -> UInt64 {
        guard
            let wanted = document?.interfaces.first(where: { $0.generation == generation }),
            let device = observed.interfaces.first(where: { $0.name == wanted.name })?.device
        else { return 0 }
        let keys = Set(wanted.peers.filter { isMeant($0.node) }.map(\.publicKey))
        return device.peers.filter { keys.contains($0.publicKey) }
            .reduce(0) { $0 &+ $1.rxBytes &+ $1.txBytes }
    }
}
