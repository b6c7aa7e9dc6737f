import LinuxSystem
import MeshModel
import NodeProtocol

extension RotateRun {
    /// Every node that takes part, reached anew; a change that was left half-way is taken back first.
    func gather(_ plan: RotationPlan) throws(ControllerError) -> [UpRun.Member] {
        let participants = plan.participants(in: topology)
        try refuseJoined(participants, plan)
        let nodes = topology.contactedNodes.filter { participants.contains($0.name) }
        let identity = state.identity
        let up = up
        let found = try fleet.phase("connecting", nodes, name: \.name) {
            node throws(ControllerError) in
            let member = try up.contact(node, identity: identity)
            guard let pending = member.report.hello.unconfirmed else { return member }
            let agent = try member.contact.agent(
                meshID: identity.meshID, mesh: identity.mesh)
            try agent.rollback(revision: pending)
            return UpRun.Member(
                contact: member.contact, report: try agent.observe(), bootstrap: member.bootstrap)
        }
        let isPartial = plan.scope != nil || plan.preshared != nil
        let isOpen = state.openRotation != nil
        try Self.refuse(found.failures) { names in
            let them = names.map { "--force-retire \($0)" }.joined(separator: " ")
            let back = "bring \(names.joined(separator: ", ")) back, or "
            if !isPartial { return back + "go on without: \(them)" }
            return back
                + (isOpen
                    ? "meshproof rotate --abort \(them)"
                    : "replace the whole mesh's keys without: meshproof rotate \(them)")
        }
        let members = nodes.compactMap { found.results[$0.name] }
        for member in members { try state.record(member.report.hello, of: member.contact.node) }
        return members
    }

    /// Every step waits for every node that takes part, and one that no command logs in to cannot be waited for.
    private func refuseJoined(
        _ participants: Set<String>, _ plan: RotationPlan
    ) throws(ControllerError) {
        let isPartial = plan.scope != nil || plan.preshared != nil
        // By then everybody else has moved, and who joins comes to the new keys at once.
        if !isPartial, let open = state.openRotation?.progress, open.isEndingOld { return }
        guard let name = try joined(besides: []).first(where: participants.contains) else { return }
        throw ControllerError(
            .joined,
            isPartial
                ? "no command logs in to \(name) (connect: join), so it has no part in a rotation of some keys alone"
                : "\(name) was not a node that joins by itself (connect: join) when this rotation began",
            hint: isPartial
                ? "meshproof rotate, for the whole mesh, leaves it time to take the others' new keys"
                : "give it its former connect: in the topology until the rotation is through")
    }

    /// Has nodes make new keys, also where they have some of that number from another time.
    func prepare(_ members: [UpRun.Member], _ plan: RotationPlan) throws(ControllerError) {
        let makers = plan.makers(in: topology, settled: state.generations)
        let hellos = try each(members, "making keys") { agent throws(ControllerError) in
            let wireguard = plan.wireguard.flatMap {
                makers.contains(agent.hello.node) ? $0.to : nil
            }
            try agent.forgetKeys(
                wireguard: [wireguard].compactMap(\.self), ssh: [plan.ssh?.to].compactMap(\.self))
            if let wireguard { _ = try agent.prepareKey(wireguard) }
            if let turn = plan.ssh { _ = try agent.prepareSSHKeys(turn.to) }
            return try agent.observe().hello
        }
        for member in members {
            guard let hello = hellos[member.name] else { continue }
            try state.record(hello, of: member.contact.node)
        }
        for name in plan.byMail ?? [] {
            try state.carryKeys(of: name, wireguard: plan.wireguard, ssh: plan.ssh)
        }
    }

    /// Brings every node to what documents hold in the present step.
    func bring(_ members: [UpRun.Member]) throws(ControllerError) {
        let design = try up.design(addresses: try state.allocateAddresses(for: topology))
        let byName = Dictionary(
            members.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var outcomes = UpOutcomes(members.map(\.contact.node), members: byName, failures: [:])
        _ = try up.bring(members, to: design, into: &outcomes)
        let bad = outcomes.inOrder.filter { !outcomes.isGood($0.node) }
        guard let first = bad.first else { return }
        throw ControllerError(
            .apply,
            bad.map { "\($0.node): \($0.error ?? "not as wanted")" }.joined(separator: "; "),
            hint: first.fix ?? "meshproof rotate --resume, or meshproof rotate --abort")
    }

    /// Takes one of the two sets away on every node, shows that nobody takes it any more, and has it wiped.
    func retire(
        _ members: [UpRun.Member], _ plan: RotationPlan, isBack: Bool
    ) throws(ControllerError) {
        try bring(members)
        let wireguard = plan.wireguard.map { isBack ? $0.to : $0.from }
        let holders = wireguard.map { state.layout.holders(of: $0, in: topology) } ?? []
        let ssh = plan.ssh.map { isBack ? $0.to : $0.from }
        if let ssh { try proveRefused(members, ssh) }
        let hellos = try each(members, "wiping keys") { agent throws(ControllerError) in
            let over = wireguard.flatMap { holders.contains(agent.hello.node) ? nil : $0 }
            try agent.forgetKeys(
                wireguard: [over].compactMap(\.self), ssh: [ssh].compactMap(\.self))
            return try agent.observe().hello
        }
        for member in members {
            guard let hello = hellos[member.name] else { continue }
            try state.record(hello, of: member.contact.node)
        }
    }

    /// Has every node show its tunnels' servers the keys that are over, before they are wiped: each must be refused.
    private func proveRefused(
        _ members: [UpRun.Member], _ generation: Int
    ) throws(ControllerError) {
        let mesh = topology.mesh.name
        let timeout = up.settings.timeout
        let tried = try fleet.phase("trying keys that are over", members, name: \.name) {
            member throws(ControllerError) in
            let command =
                "\(NodeProgram.installedPath) node try-keys --mesh \(mesh) --generation \(generation)"
            let result = try member.contact.session.run(command, timeout: max(timeout, 60))
            guard result.status.isSuccess,
                let trials = try? Wire.decode(
                    [KeyTrial].self, from: NodeContact.answer(result.text))
            else {
                throw ControllerError(
                    .agent,
                    "keys that are over could not be tried: \(result.errorText.trimmedLine)")
            }
            return trials
        }
        try Self.refuse(tried.failures) { _ in "meshproof rotate --resume" }
        let bad = tried.results.values.flatMap(\.self).filter { $0.outcome != .refused }
            .sorted { $0.edge < $1.edge }
        guard bad.isEmpty else {
            throw ControllerError(
                .leftOver,
                bad.map { trial in
                    trial.outcome == .allowed
                        ? "\(trial.node) still lets in the key of \(trial.edge) that is over"
                        : "whether \(trial.node) still lets in the key of \(trial.edge) that is over "
                            + "could not be tried: \(trial.words)"
                }.joined(separator: "; "),
                hint: "meshproof tunnel ls says how they are; then meshproof rotate --resume")
        }
    }

    /// Says something to every node's agent at the same time; one that fails ends the step.
    func each<Result: Sendable>(
        _ members: [UpRun.Member], _ label: String,
        _ body: @escaping @Sendable (NodeConnection) throws(ControllerError) -> Result
    ) throws(ControllerError) -> [String: Result] {
        let identity = state.identity
        let outcome = try fleet.phase(label, members, name: \.name) {
            member throws(ControllerError) in
            try body(
                try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh))
        }
        try Self.refuse(outcome.failures) { _ in
            "meshproof rotate --resume, or meshproof rotate --abort"
        }
        return outcome.results
    }

    private static func refuse(
        _ failures: [String: ControllerError], hint: ([String]) -> String
    ) throws(ControllerError) {
        let names = failures.keys.sorted()
        guard let first = names.first, let error = failures[first] else { return }
        throw ControllerError(
            error.code,
            names.map { "\($0): \(failures[$0]?.message ?? "")" }.joined(separator: "; "),
            hint: error.code == .unreachable || error.code == .timeout
                ? hint(names) : error.hint ?? hint(names))
    }
}
