import LinuxSystem
import MeshModel
import NodeProtocol

extension RotateRun {
    /// How long that is waited for. *Units:* seconds.
    private static let patience = 20.0

    /// Waits until nothing goes by the keys that are to be taken away.
    func rest(
        _ members: [UpRun.Member], _ plan: RotationPlan, isBack: Bool,
        into report: inout RotateReport
    ) throws(ControllerError) {
        try drain(members, plan, isBack: isBack, into: &report)
        guard let turn = plan.wireguard else { return }
        let over = isBack ? turn.to : turn.from
        // What is not told by a command sends by the keys that it has.
        let managed = topology.managedNames.subtracting(plan.byMail ?? [])
        let deadline = Clocks.monotonic() + Self.patience
        var last: [String: UInt64] = [:]
        var calmSince = Clocks.monotonic()
        while true {
            let counts = try each(members, "waiting for rest") { agent throws(ControllerError) in
                let own = agent.hello.node
                return try agent.observe().traffic(generation: over) {
                    managed.contains($0) && plan.concerns(Peering(own, $0))
                }
            }
            let now = Clocks.monotonic()
            if counts != last {
                if now >= deadline {
                    let busy = counts.filter { last[$0.key] != $0.value }.keys.sorted()
                    report.notes.append(
                        "something still goes by the keys that are over at "
                            + busy.joined(separator: ", ")
                            + ": programs that are bound to the interface itself are cut off")
                    return
                }
                last = counts
                calmSince = now
            } else if now - calmSince >= up.settings.calm {
                return
            }
            Clocks.sleep(up.settings.calm / 5)
        }
    }

    /// Waits until every tunnel has a session by its new keys, and connections through former ones have ended; these
    /// for as long as the plan says.
    private func drain(
        _ members: [UpRun.Member], _ plan: RotationPlan, isBack: Bool,
        into report: inout RotateReport
    ) throws(ControllerError) {
        guard plan.ssh != nil else { return }
        let layout = state.layout
        let wanted = try state.sshKeys(of: topology, generation: layout.ssh)
        let ends = Set(members.map(\.name))
        let began = Clocks.monotonic()
        while true {
            let reports = try each(members, "moving tunnels") { agent throws(ControllerError) in
                try agent.observe()
            }
            let tunnels = TunnelStatus.list(topology, reports: reports).filter {
                ends.contains($0.from) && ends.contains($0.to)
            }
            let pending = tunnels.filter { tunnel in
                let isStanding = tunnel.state == .up || tunnel.state == .blocked
                return !isStanding
                    || tunnel.observed?.tunnel.clientKey != wanted[tunnel.from]?.client
            }
            // What nodes say is no reason to overflow.
            let draining = tunnels.reduce(0) {
                $0 + min(max($1.observed?.draining ?? 0, 0), 1 << 20)
            }
            let passed = Clocks.monotonic() - began
            if pending.isEmpty && (draining == 0 || passed >= plan.drain) {
                if draining > 0 {
                    report.notes.append(
                        "\(draining) connections through former tunnel sessions are cut after \(Int(passed)) s"
                    )
                }
                return
            }
            if !pending.isEmpty && passed >= Self.patience {
                throw ControllerError(
                    .apply,
                    pending.map { "the tunnel of \($0.edge) does not stand by its new keys" }
                        .joined(separator: "; "),
                    hint: "meshproof tunnel ls says why; then meshproof rotate --resume, or --abort"
                )
            }
            Clocks.sleep(0.3)
        }
    }
}
