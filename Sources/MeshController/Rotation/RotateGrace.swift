import LinuxSystem
import MeshModel
import NodeProtocol
import StateStore

extension RotateRun {
    /// Leaves the old set to nodes that no command tells alone, and looks who has come over to the new one.
    ///
    /// Those that fetch mail come within two minutes if they are there at all, and that is waited for.
    /// *Returns:* whether nobody is left, or the time is over.
    func grace(
        _ members: [UpRun.Member], into report: inout RotateReport
    ) throws(ControllerError) -> Bool {
        var members = members
        let deadline = Clocks.monotonic() + up.settings.mailPatience
        while let plan = state.openRotation?.plan, plan.grace != nil {
            guard try look(members, plan, into: &report) else { return true }
            guard try comes(members, until: deadline) else {
                report.outcome = .grace
                report.grace = try state.graceNotices()
                return false
            }
            members = try gather(plan)
        }
        return true
    }

    /// One look. *Returns:* whether somebody is left to be waited for.
    private func look(
        _ members: [UpRun.Member], _ former: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) -> Bool {
        guard var grace = former.grace, let turn = former.wireguard else { return false }
        var plan = former
        let now = Clocks.wall()
        let until = grace.until ?? now + grace.seconds
        let isFirst = grace.until == nil
        let isOver = now >= until
        let joined = Set(plan.byMail ?? [])
        let named = Set(
            topology.nodes.filter { !$0.managed || joined.contains($0.name) }.map(\.name))
        let reports = members.map(\.report)
        var moved: [String] = []
        for name in grace.waiting
        where !plan.without.contains(name) && Self.isHeard(name, turn.to, reports) {
            // One that takes it as mail may take it back, until it has said otherwise.
            guard joined.contains(name) else {
                moved.append(name)
                continue
            }
            let word = try word(of: name, turn.to, reports)
            if word == .settled || isOver && word == .unknown { moved.append(name) }
        }
        grace.until = until
        grace.waiting.removeAll {
            moved.contains($0) || plan.without.contains($0) || !named.contains($0) || isOver
        }
        let lost = former.grace?.waiting.filter {
            !grace.waiting.contains($0) && !moved.contains($0) && named.contains($0)
        }
        for name in moved {
            report.arrived.append(Self.hasMoved(name, isJoined: joined.contains(name)))
        }
        for name in lost ?? [] {
            // Before it is noted that nobody waits for it any more.
            if joined.contains(name) && !plan.without.contains(name) {
                try state.dropKeys(of: name, wireguard: turn.to)
            }
            if !plan.without.contains(name) {
                report.notes.append(Self.isLate(name, isJoined: joined.contains(name)))
            }
        }
        if isFirst || grace != plan.grace {
            plan.grace = grace
            try state.change(plan)
        }
        // Whatever holds up the rest, their time has begun.
        try tellByMail(members, plan, into: &report)
        try retire(members, plan, isBack: false)
        // Nobody else's keys are left by now, and that need not wait until it is over.
        try sweep(try gather(plan), plan, isBack: false, into: &report)
        return !grace.waiting.isEmpty
    }

    /// Leaves what nodes that no command logs in to are to have at their peers.
    func tellByMail(
        _ members: [UpRun.Member], _ plan: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) {
        let nodes = topology.managedNodes.filter { plan.byMail?.contains($0.name) == true }
        guard plan.wireguard != nil, !nodes.isEmpty else { return }
        let design = try up.design(addresses: try state.allocateAddresses(for: topology))
        var outcomes = UpOutcomes(nodes, members: [:], failures: [:])
        try up.leaveMail(for: nodes, lost: [:], at: members, design, into: &outcomes)
        for outcome in outcomes.inOrder where outcome.state == .failed {
            let note = "\(outcome.node): \(outcome.error ?? "its mail could not be left")"
            if !report.notes.contains(note) { report.notes.append(note) }
        }
    }

    /// Waits until a node that fetches mail, and is there, has shaken hands with the new keys, and has settled.
    ///
    /// *Returns:* whether one has; false at once where none of them is there.
    private func comes(
        _ members: [UpRun.Member], until deadline: Double
    ) throws(ControllerError) -> Bool {
        guard let plan = state.openRotation?.plan, let turn = plan.wireguard else { return false }
        let names = plan.grace?.waiting.filter { plan.byMail?.contains($0) == true } ?? []
        let known = members.map(\.report)
        let present = names.filter { name in
            known.contains {
                $0.hasHandshake(with: name, generation: turn.from)
                    || $0.hasHandshake(with: name, generation: turn.to)
            }
        }
        if present.isEmpty { return false }
        while Clocks.monotonic() < deadline {
            progress.working(
                RotationStep.grace.rawValue,
                "waiting until \(present.joined(separator: ", ")) fetches its mail")
            Clocks.sleep(2)
            let reports = try each(members, "waiting for mail") { agent throws(ControllerError) in
                try agent.observe()
            }
            let now = Array(reports.values)
            for name in present where Self.isHeard(name, turn.to, now) {
                if try word(of: name, turn.to, now) == .settled { return true }
            }
        }
        return false
    }

    /// Whether anybody has shaken hands with a node by its keys of a set.
    private static func isHeard(
        _ name: String, _ generation: Int, _ reports: [NodeReport]
    ) -> Bool {
        reports.contains { $0.lastHandshake(with: name, generation: generation) ?? 0 > 0 }
    }

    /// What is known of a node that fetches mail, and of what it was sent last.
    private enum Word { case settled, unknown, tookItBack }

    /// What a node has told those who keep its mail, as far as they have heard of it by its keys of a set.
    ///
    /// One mailbox alone is not believed: nobody signs for what it says.
    private func word(
        of name: String, _ generation: Int, _ reports: [NodeReport]
    ) throws(ControllerError) -> Word {
        guard let handed = try state.handed(to: name) else { return .unknown }
        // It has confirmed it to this program itself, when it joined anew.
        if handed.mailedAt == nil { return .settled }
        let kept = reports.filter {
            $0.lastHandshake(with: name, generation: generation) ?? 0 > 0
        }.flatMap { $0.mail ?? [] }.filter {
            $0.node == name && $0.revision == handed.revision
        }
        if kept.contains(where: { $0.inForce ?? .max < handed.revision }) { return .tookItBack }
        let isSure = !kept.isEmpty && kept.allSatisfy { $0.inForce ?? 0 >= handed.revision }
        return isSure ? .settled : .unknown
    }

    private static func hasMoved(_ name: String, isJoined: Bool) -> String {
        isJoined ? "\(name) has taken the new keys" : "\(name) has its new configuration"
    }

    private static func isLate(_ name: String, isJoined: Bool) -> String {
        isJoined
            ? "\(name) did not take the new keys in time: it is cut off until it joins again: meshproof peer invite \(name)"
            : "\(name) did not fetch its new configuration in time: it is cut off until it does"
    }
}
