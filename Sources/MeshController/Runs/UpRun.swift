import LinuxSystem
public import MeshModel
import NodeProtocol
import Synchronization

/// Brings every node to what the topology wants: contact, resolve, stage, commit, confirm, handshake.
///
/// *Idempotency:* a second run on a good mesh changes nothing. A run that was cut short is simply run again.
public struct UpRun: Sendable {
    let topology: Topology
    let state: ControllerState
    let carrier: any Carrier
    let program: NodeProgram
    let settings: RunSettings
    let progress: any Progress
    private let fleet: Fleet

    /// Gathers what a run needs. The state must be open for writing.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, program: NodeProgram,
        settings: RunSettings, progress: any Progress
    ) {
        self.topology = topology
        self.state = state
        self.carrier = carrier
        self.program = program
        self.settings = settings
        self.progress = progress
        fleet = Fleet(parallel: settings.parallel, progress: progress)
    }

    /// One node that was reached, with what it said before any change.
    private struct Member: Sendable {
        let contact: NodeContact
        let report: NodeReport
        let bootstrap: [PlanStep]
        var name: String { contact.node.name }
    }

    /// A member with the document that it is to get.
    private struct Change: Sendable {
        let member: Member
        var document: NodeDocument
        var name: String { member.name }
    }

    /// Runs all phases.
    ///
    /// *Throws:* ``ControllerError`` only where nothing could be started at all; what goes wrong with a node is in the report.
    public func run() throws(ControllerError) -> UpReport {
        let started = Clocks.monotonic()
        let managed = topology.nodes.filter(\.managed)
        let addresses = try state.allocateAddresses(for: topology)
        let identity = state.identity

        let contacts = try fleet.phase("connecting", managed, name: \.name) {
            node throws(ControllerError) in
            try contact(node, identity: identity)
        }
        for member in contacts.results.values {
            try state.record(member.report.hello, connect: member.contact.node.connect)
        }

        let design = try design(addresses: addresses)
        var outcomes = Outcomes(managed, failures: contacts.failures)
        var changes: [Change] = []
        for member in contacts.results.values {
            guard let document = design.documents[member.name] else { continue }
            if document.wantsTheSame(as: member.report.document) && member.report.drift.isEmpty
                && member.report.hello.unconfirmed == nil
            {
                outcomes.unchanged(
                    member.name, bootstrap: member.bootstrap, revision: member.report.hello.revision
                )
                progress.finished(
                    member.name, "unchanged, revision \(member.report.hello.revision)", good: true)
            } else {
                changes.append(Change(member: member, document: document))
            }
        }
        let revisions = try state.nextRevisions(
            above: Dictionary(
                uniqueKeysWithValues: changes.map {
                    ($0.name, $0.member.report.hello.highestRevision)
                }))
        for index in changes.indices {
            changes[index].document.revision = revisions[changes[index].name] ?? 0
        }
        try apply(changes, into: &outcomes)

        let reached = contacts.results.values.filter { outcomes.isGood($0.name) }
        let handshakes = try awaitHandshakes(Array(reached), anyChange: !changes.isEmpty)
        return UpReport(
            mesh: topology.mesh.name, nodes: outcomes.inOrder, handshakes: handshakes.alive,
            peerings: handshakes.wanted,
            waiting: design.waiting.map { "\($0.0.a)-\($0.0.b): \($0.1) has no key yet" },
            seconds: Clocks.monotonic() - started)
    }

    // MARK: Contact

    private func contact(_ node: Node, identity: MeshIdentity) throws(ControllerError) -> Member {
        let contact = try NodeContact(
            node, mesh: identity.mesh, by: carrier, timeout: settings.timeout)
        var bootstrap: [PlanStep] = []
        let progress = progress
        let percent = Mutex(-1)
        if try contact.install(
            program,
            progress: { sent, total in
                let now = sent * 100 / max(total, 1)
                let isNews = percent.withLock { last in
                    defer { last = now }
                    return last != now
                }
                if isNews { progress.working(node.name, "installing \(now) %") }
            })
        {
            let had =
                contact.probe.digest == nil
                ? "no meshproof on the node" : "another build is installed"
            bootstrap.append(PlanStep(.installBinary(version: ProgramVersion.current), reason: had))
        }
        if !bootstrap.isEmpty || !contact.probe.isEnrolled || !contact.probe.hasSocket {
            try enroll(contact, identity: identity, into: &bootstrap)
        }
        let connection: NodeConnection
        do throws(ControllerError) {
            connection = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        } catch {
            // A socket without an agent behind it: the agent was killed and left its file.
            if error.code != .agent || !bootstrap.isEmpty { throw error }
            try enroll(contact, identity: identity, into: &bootstrap)
            connection = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        }
        progress.working(node.name, "looking")
        return Member(contact: contact, report: try connection.observe(), bootstrap: bootstrap)
    }

    private func enroll(
        _ contact: NodeContact, identity: MeshIdentity, into bootstrap: inout [PlanStep]
    ) throws(ControllerError) {
        progress.working(contact.node.name, "enrolling")
        let enrollment = try contact.enroll(identity)
        if !contact.probe.isEnrolled {
            bootstrap.append(PlanStep(.enroll, reason: "the node is new to mesh \(identity.mesh)"))
        }
        bootstrap.append(PlanStep(.startAgent, reason: enrollment.agent))
    }

    // MARK: Resolve

    private func design(addresses: [String: [IPAddress]]) throws(ControllerError) -> MeshDesign {
        let keys = try state.nodeKeys(of: topology)
        let pairs = topology.managedPeerings().filter {
            keys[$0.a] != nil && keys[$0.b] != nil
        }
        let presharedKeys = try state.ensurePresharedKeys(for: pairs)
        let shared = Set(pairs)
        return MeshDesign(
            topology,
            ResolverInputs(
                meshID: state.identity.meshID, issuedAt: Clocks.wallSeconds(),
                addresses: addresses, keys: keys,
                presharedKeys: { shared.contains($0) ? presharedKeys[$0] : nil },
                generation: state.generation))
    }

    // MARK: Stage, commit, confirm

    private func apply(_ changes: [Change], into outcomes: inout Outcomes) throws(ControllerError) {
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
        let deadline = Clocks.monotonic() + window
        let committed = try fleet.phase("applying", ready, name: \.name) {
            change throws(ControllerError) in
            try commit(change, over: staged.results[change.name], window: window)
        }
        outcomes.fail(committed.failures)

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
            let steps = change.member.bootstrap + (committed.results[change.name] ?? [])
            outcomes.changed(change.name, steps: steps, revision: change.document.revision)
            progress.finished(
                change.name, "\(steps.count) steps, revision \(change.document.revision)",
                good: true)
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
            if error.code == .timeout || error.code == .unreachable { return [] }
            throw error
        }
    }

    /// Reaches the agent over a new connection, and sees that it holds the change.
    ///
    /// *Throws:* ``ControllerError`` `cutOff` where there is no way to the node any more; another where there is, and
    /// the agent has not got the change.
    private func reconnect(_ change: Change, timeout: Double) throws(ControllerError)
        -> NodeConnection
    {
        let connection: NodeConnection
        do throws(ControllerError) {
            connection = try change.member.contact.freshAgent(
                meshID: state.identity.meshID, mesh: state.identity.mesh, timeout: timeout)
        } catch {
            guard error.code == .unreachable || error.code == .timeout else { throw error }
            throw ControllerError(
                .cutOff,
                "after the change no new connection could be made (\(error.message)); the node goes back by itself",
                hint: "look at what the plan changes for routes and networks")
        }
        if connection.hello.unconfirmed == change.document.revision { return connection }
        if connection.hello.rolledBack?.revision == change.document.revision {
            throw ControllerError(
                .cutOff, "the node took the change back before it could be confirmed")
        }
        throw ControllerError(
            .apply, "the node has not taken the change", hint: "run meshproof up again")
    }

    /// One node is cut off, so the whole change is off: the others go back at once, and the lost one is waited for.
    private func takeBack(
        _ done: [Change], reached: [String: NodeConnection], lost: [String: ControllerError],
        deadline: Double, into outcomes: inout Outcomes
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
                change.name, revision: change.member.report.hello.revision,
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
                change.name, revision: hello.revision,
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
            Clocks.sleep(1)
            guard
                let connection = try? change.member.contact.freshAgent(
                    meshID: state.identity.meshID, mesh: state.identity.mesh, timeout: 3)
            else { continue }
            if connection.hello.unconfirmed == nil { return connection.hello }
        }
        throw ControllerError(
            .cutOff, "\(change.name) could not be reached again within the window",
            hint:
                "the node goes back when its window ends; look at it from its console if it stays away"
        )
    }

    // MARK: Handshakes

    /// Makes every peering shake hands and counts those that have; a mesh that was not changed is only counted.
    private func awaitHandshakes(
        _ members: [Member], anyChange: Bool
    ) throws(ControllerError) -> (alive: Int, wanted: Int) {
        let names = Set(members.map(\.name))
        let wanted = topology.peerings().filter { names.contains($0.a) && names.contains($0.b) }
        if wanted.isEmpty || !anyChange { return (wanted.count, wanted.count) }
        let identity = state.identity
        // Each node's line already says how it came out, and keeps saying so.
        let fleet = Fleet(parallel: settings.parallel, progress: NoProgress())
        let nudged = try fleet.phase("shaking hands", members, name: \.name) {
            member throws(ControllerError) in
            let connection = try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            try connection.nudge()
            return connection
        }
        let deadline = Clocks.monotonic() + 6
        var alive: Set<Peering> = []
        while alive.count < wanted.count && Clocks.monotonic() < deadline {
            Clocks.sleep(0.25)
            let seen = try fleet.phase(
                "shaking hands", members.filter { nudged.results[$0.name] != nil }, name: \.name
            ) {
                member throws(ControllerError) in
                try nudged.results[member.name]?.observe()
            }
            for (name, report) in seen.results {
                guard let report else { continue }
                alive.formUnion(report.freshPeerings(of: name, now: Clocks.wall()))
            }
            alive.formIntersection(wanted)
        }
        return (alive.count, wanted.count)
    }
}

extension NodeReport {
    /// The peerings of a node whose handshake is fresh. *Units:* seconds; 180 is WireGuard's REJECT_AFTER_TIME.
    func freshPeerings(of node: String, now: Double) -> [Peering] {
        let names = Dictionary(
            (document?.interfaces ?? []).flatMap(\.peers).map { ($0.publicKey, $0.node) },
            uniquingKeysWith: { first, _ in first })
        return observed.interfaces.flatMap { $0.device?.peers ?? [] }.compactMap { peer in
            guard peer.lastHandshake > 0, now - peer.lastHandshake <= 180,
                let other = names[peer.publicKey]
            else { return nil }
            return Peering(node, other)
        }
    }
}

/// Collects how each node comes out, in the topology's order.
private struct Outcomes {
    private var order: [String]
    private var byName: [String: UpReport.Outcome] = [:]

    init(_ nodes: [Node], failures: [String: ControllerError]) {
        order = nodes.map(\.name)
        fail(failures)
    }

    var inOrder: [UpReport.Outcome] { order.compactMap { byName[$0] } }

    func isGood(_ name: String) -> Bool {
        byName[name].map { $0.state == .unchanged || $0.state == .changed } ?? false
    }

    mutating func fail(_ failures: [String: ControllerError]) {
        for (name, error) in failures {
            byName[name] = UpReport.Outcome(
                node: name, state: .failed, revision: 0, steps: [], error: error.message,
                fix: error.hint)
        }
    }

    mutating func unchanged(_ name: String, bootstrap: [PlanStep], revision: UInt64) {
        byName[name] = UpReport.Outcome(
            node: name, state: bootstrap.isEmpty ? .unchanged : .changed, revision: revision,
            steps: bootstrap)
    }

    mutating func changed(_ name: String, steps: [PlanStep], revision: UInt64) {
        byName[name] = UpReport.Outcome(
            node: name, state: .changed, revision: revision, steps: steps)
    }

    mutating func rolledBack(_ name: String, revision: UInt64, reason: String) {
        byName[name] = UpReport.Outcome(
            node: name, state: .rolledBack, revision: revision, steps: [], error: reason,
            fix:
                "look at the plan for what touches routes and networks, mend the topology, run up again"
        )
    }
}
