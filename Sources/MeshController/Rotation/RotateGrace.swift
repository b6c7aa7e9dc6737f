import LinuxSystem
import MeshModel
import NodeProtocol

extension RotateRun {
    /// Leaves the old set to nodes without an agent alone, and looks who has come over to the new one.
    ///
    /// *Returns:* whether nobody is left, or the time is over.
    func grace(
        _ members: [UpRun.Member], _ plan: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) -> Bool {
        guard var grace = plan.grace, let turn = plan.wireguard else { return true }
        var plan = plan
        let now = Clocks.wall()
        let until = grace.until ?? now + grace.seconds
        let isFirst = grace.until == nil
        let named = Set(topology.nodes.filter { !$0.managed }.map(\.name))
        let moved = grace.waiting.filter { name in
            members.contains {
                $0.report.lastHandshake(with: name, generation: turn.to) ?? 0 > 0
            }
        }
        for name in moved { report.notes.append("\(name) has its new configuration") }
        grace.until = until
        grace.waiting.removeAll {
            moved.contains($0) || plan.without.contains($0) || !named.contains($0)
        }
        if now >= until {
            for name in grace.waiting {
                report.notes.append(
                    "\(name) did not fetch its new configuration in time: it is cut off until it does"
                )
            }
            grace.waiting = []
        }
        if isFirst || grace != plan.grace {
            plan.grace = grace
            try state.change(plan)
        }
        try retire(members, plan, isBack: false)
        // Nobody else's keys are left by now, and that need not wait until it is over.
        try sweep(try gather(plan), plan, isBack: false, into: &report)
        guard grace.waiting.isEmpty else {
            report.outcome = .grace
            report.grace = try state.graceNotices()
            return false
        }
        return true
    }
}
