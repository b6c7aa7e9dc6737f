import LinuxSystem
import MeshModel
import NodeProtocol

extension UpRun {
    /// Stages on all nodes, commits, and confirms over new connections, or takes everything back.
    func apply(_ changes: [Change], into outcomes: inout UpOutcomes) throws(ControllerError) {
        let identity = state.identity
        let state = state
        let window = settings.window

        let staged = try fleet.phase("staging", changes, name: \.name) {
            change throws(ControllerError) in
            let connection = try change.member.contact.agent(
                meshID: identity.meshID, mesh: identity.mesh)
            _ = try connection.stage(
                try state.sign(change.document),
                presharedKeys: try state.presharedKeys(in: change.document))
            return connection
        }
        outcomes.fail(staged.failures)

        let ready = changes.filter { staged.results[$0.name] != nil }
        var committed = Fleet.Outcome<[PlanStep]>()
        // Who is new and greets by itself does so at once: a peer that does not know it by then is greeted again only
        // after 5 s. Everybody else is told in one moment, since the way to some may be the mesh itself.
        for isLast in [false, true] {
            let turn = ready.filter { $0.isNewAndGreets == isLast }
            committed.add(
                try fleet.phase("applying", turn, name: \.name) {
                    change throws(ControllerError) in
                    try commit(change, over: staged.results[change.name], window: window)
                })
        }
        outcomes.fail(committed.failures)

        // No node's window ends later: each began before its answer came, or never did.
        let deadline = Clocks.monotonic() + window
        let done = ready.filter { committed.results[$0.name] != nil }
        let confirmTimeout = min(settings.timeout, max(2, window / 2))
        let reached = try fleet.phase("confirming", done, name: \.name) {
            change throws(ControllerError) in
            try reconnect(change, timeout: confirmTimeout)
        }
        let cutOff = reached.failures.filter { $0.value.code == .cutOff }
        outcomes.fail(reached.failures.filter { $0.value.code != .cutOff })
        if !cutOff.isEmpty {
            try takeBack(
                done, reached: reached.results, lost: cutOff, deadline: deadline, into: &outcomes)
            return
        }
        let confirmed = try fleet.phase(
            "confirming", done.filter { reached.results[$0.name] != nil }, name: \.name
        ) {
            change throws(ControllerError) in
            try reached.results[change.name]?.confirm(revision: change.document.revision)
        }
        outcomes.fail(confirmed.failures)
        for change in done where confirmed.results[change.name] != nil {
            try state.noteHanded(change.document)
            outcomes.changed(
                change.name, steps: committed.results[change.name] ?? [],
                revision: change.document.revision)
        }
    }

    /// Commits; where the answer does not come, the change itself may have cut the connection, which the next phase
    /// finds out. *Returns:* the steps taken, empty where they are not known.
    private func commit(
        _ change: Change, over connection: NodeConnection?, window: Double
    ) throws(ControllerError) -> [PlanStep] {
        guard let connection else { return [] }
        do throws(ControllerError) {
            return try connection.commit(revision: change.document.revision, window: window)
        } catch {
            switch error.code {
            case .timeout, .unreachable, .hungUp: return []
            default: throw error
            }
        }
    }

    /// Reaches the agent over a new connection, and sees that it holds the change.
    ///
    /// *Throws:* ``ControllerError`` `cutOff` where there is no way to the node any more; another where there is, and
    /// the agent has not got the change.
    private func reconnect(_ change: Change, timeout: Double) throws(ControllerError)
        -> NodeConnection
    {
        let connection = try insist(on: change, timeout: timeout)
        if connection.hello.unconfirmed == change.document.revision { return connection }
        if connection.hello.rolledBack?.revision == change.document.revision {
            throw ControllerError(
                .cutOff, "the node took the change back before it could be confirmed")
        }
        throw ControllerError(
            .apply, "the node has not taken the change", hint: "run meshproof up again")
    }

    /// A new connection, tried for until `timeout`: routes may flap while a change settles, and an agent that was killed
    /// is started again.
    private func insist(on change: Change, timeout: Double) throws(ControllerError)
        -> NodeConnection
    {
        let deadline = Clocks.monotonic() + timeout
        while true {
            let failure: ControllerError
            do throws(ControllerError) {
                return try change.member.contact.freshAgent(
                    meshID: state.identity.meshID, mesh: state.identity.mesh,
                    timeout: max(1, deadline - Clocks.monotonic()))
            } catch { failure = error }
            let mayPass = [.unreachable, .timeout, .hungUp].contains(failure.code)
            if mayPass && Clocks.monotonic() + 0.5 < deadline {
                Clocks.sleep(0.5)
                continue
            }
            guard failure.code == .unreachable || failure.code == .timeout else { throw failure }
            throw ControllerError(
                .cutOff,
                "after the change no new connection could be made (\(failure.message)); "
                    + "the node goes back by itself",
                hint: "look at what the plan changes for routes and networks")
        }
    }

    /// One node is cut off, so the whole change is off: the others go back at once, and the lost one is waited for.
    private func takeBack(
        _ done: [Change], reached: [String: NodeConnection], lost: [String: ControllerError],
        deadline: Double, into outcomes: inout UpOutcomes
    ) throws(ControllerError) {
        let names = lost.keys.sorted().joined(separator: ", ")
        progress.note("cut off from \(names): the change is being taken back everywhere")
        let back = try fleet.phase(
            "going back", done.filter { reached[$0.name] != nil }, name: \.name
        ) {
            change throws(ControllerError) in
            try reached[change.name]?.rollback(revision: change.document.revision)
        }
        outcomes.fail(back.failures)
        for change in done where back.results[change.name] != nil {
            outcomes.rolledBack(
                change.name,
                reason: "taken back because \(names) was cut off by the same change")
            progress.finished(
                change.name, "went back to revision \(change.member.report.hello.revision)",
                good: false)
        }
        let waiting = done.filter { lost[$0.name] != nil }
        let found = try fleet.phase("waiting for it to go back by itself", waiting, name: \.name) {
            change throws(ControllerError) in
            try awaitOwnRollback(change, until: deadline + 20)
        }
        outcomes.fail(found.failures)
        for change in waiting {
            guard let hello = found.results[change.name] else { continue }
            outcomes.rolledBack(
                change.name,
                reason: "the change cut the controller off; the node took it back by itself")
            progress.finished(
                change.name, "took the change back by itself, revision \(hello.revision)",
                good: false)
        }
    }

    private func awaitOwnRollback(_ change: Change, until deadline: Double) throws(ControllerError)
        -> NodeHello
    {
        while Clocks.monotonic() < deadline {
            Clocks.sleep(0.5)
            guard
                let connection = try? change.member.contact.freshAgent(
                    meshID: state.identity.meshID, mesh: state.identity.mesh,
                    timeout: settings.timeout)
            else { continue }
            if connection.hello.unconfirmed == nil { return connection.hello }
            // Back in reach before its window ended: no need to wait for that.
            if connection.hello.unconfirmed == change.document.revision {
                try? connection.rollback(revision: change.document.revision)
            }
        }
        throw ControllerError(
            .cutOff, "\(change.name) could not be reached again within the window",
            hint:
                "the node goes back when its window ends; look at it from its console if it stays away"
        )
    }
}

extension UpRun.Change {
    /// Whether it makes a machine a node that sends first as soon as it has a peer: one that keeps its way in open, as
    /// nobody knows where it is.
    fileprivate var isNewAndGreets: Bool {
        member.report.document == nil
            && document.interfaces.contains { $0.peers.contains { $0.keepalive != nil } }
    }
}
