package import MeshModel
import NodeProtocol
import Secrets

/// The agent's mind: what it holds, what it answers, what it does next. One thread owns it.
///
/// It reads no clock, opens no socket and knows the kernel only as a ``NodeKernel``.
package final class AgentCore {
    /// How often the kernel is looked at without cause. *Units:* seconds.
    package static let sweepInterval: Double = 15
    /// The same, while a device without an agent may change from one set of keys to the other: its route follows it.
    /// *Units:* seconds.
    package static let followInterval: Double = 2
    /// How long events are gathered before they cause a sweep.
    ///
    /// Long enough for somebody to finish what they do by hand in several steps, and to look at it with `plan`.
    package static let settleTime: Double = 12
    /// The longest window of a commit. *Units:* seconds.
    package static let longestWindow: Double = 600
    /// How often it is seen to that the tunnel server runs. *Units:* seconds.
    package static let tendInterval: Double = 5
    /// How many peers one nudge reaches.
    package static let nudgeLimit = 2_000

    private(set) var identity: NodeIdentity
    let folders: NodeFolders
    let storage: any NodeStorage
    let kernel: any NodeKernel
    let keys: NodeKeys
    let store: DocumentStore
    private(set) var check: DocumentCheck
    let program: String
    let bootID: String
    let log: NodeLog
    var names = EndpointNames()
    private var repairs: [Repair] = []
    private var pacer = RepairPacer()
    private var tunnelWatch = TunnelWatch()
    private var sweepDue = 0.0
    private var tendDue = 0.0
    private var lastObservationFailure: String?
    /// What was wanted until now, until a sweep has seen to the change.
    private var superseded = DesiredNode.bare
    let mailbox: Mailbox
    var mailRound = MailRound()
    /// Until when nobody is asked for mail, since a controller has just told this node all there is.
    var mailRestsUntil = -Double.infinity
    /// When peers are asked whether they can be reached after a change that came as mail, and whose turn it is.
    var confirmDue = Double.infinity
    var confirmTurn = 0
    /// When a controller last staged a change.
    var stagedAt = -Double.infinity
    /// Why mail was last refused, by the peer that it came from.
    var mailRefusals: [String: String] = [:]
    var mailTrouble: String?
    /// The connection that committed; its `confirm` does not count.
    private var committer: UInt64?
    /// Set once `down` has been carried out; the agent ends after the answer.
    package private(set) var isEnding = false

    /// An agent for an enrolled node; ``start(at:)`` makes it live.
    package init(
        identity: NodeIdentity, folders: NodeFolders, storage: any NodeStorage,
        kernel: any NodeKernel, keys: NodeKeys, program: String, bootID: String, log: NodeLog
    ) {
        self.identity = identity
        self.folders = folders
        self.storage = storage
        self.kernel = kernel
        self.program = program
        self.bootID = bootID
        self.log = log
        self.keys = keys
        store = DocumentStore(folders, storage, keys)
        check = DocumentCheck(identity)
        mailbox = Mailbox(folders, storage)
    }

    /// Reads what was kept, takes back what nobody confirmed in time, and brings the node to the document.
    package func start(at now: Moment) throws(NodeError) {
        try keys.prepareMailKeys()
        try mailbox.load()
        try store.load(check)
        if let damage = store.damage { log.error(damage) }
        if let pending = store.unconfirmed,
            pending.bootID != bootID || now.monotonic >= pending.deadline
        {
            rollBack(at: now, reason: "nobody confirmed it before the agent was started again")
        }
        // Whatever ended the agent may have ended it half-way through a change.
        if superseded == .bare { superseded = store.previous(check) }
        followNames()
        sweep(at: now)
        proveMail(at: now)
        documentChanged(at: now)
    }

    /// What should be now: what is committed, else what is in force. nil means "hands off".
    var target: DesiredNode? {
        if let pending = store.unconfirmed { return pending.taken.document.desired }
        if store.damage != nil { return nil }
        if let current = store.current { return current.document.desired }
        // A first document that was taken back leaves nothing; a node without any was never ours to change.
        return store.highestRevision > 0 ? .bare : nil
    }

    // MARK: time

    /// When ``tick(at:)`` has something to do. *Units:* monotonic seconds.
    package var nextWake: Double {
        var next = sweepDue
        if let pending = store.unconfirmed { next = min(next, pending.deadline) }
        if let due = names.nextDue { next = min(next, due) }
        if target?.tunnelServer != nil { next = min(next, tendDue) }
        return next
    }

    /// Does what is due: an automatic rollback, a sweep.
    package func tick(at now: Moment) {
        if let pending = store.unconfirmed, now.monotonic >= pending.deadline {
            rollBack(at: now, reason: "nobody confirmed it within the window")
            settle(at: now)
        }
        if now.monotonic >= sweepDue { sweep(at: now) }
        if target?.tunnelServer != nil && now.monotonic >= tendDue {
            tendDue = now.monotonic + Self.tendInterval
            kernel.tunnels.tend()
        }
    }

    /// Something changed in the kernel; a sweep follows once it has settled.
    package func kernelChanged(at now: Moment) {
        kernel.forgetUnderlay()
        sweepDue = min(sweepDue, now.monotonic + Self.settleTime)
        // It may be a network that has come back, with peers that have mail.
        mailRound.wake(at: now.monotonic + 1)
    }

    /// As after SIGHUP: resolve and look again.
    package func refresh(at now: Moment) {
        names.askAgain()
        kernel.forgetUnderlay()
        sweepDue = now.monotonic
    }

    /// The endpoint names to resolve now.
    package func namesToResolve(at now: Moment) -> [Endpoint] { names.take(now: now.monotonic) }

    /// Takes the resolver's answers in.
    package func resolved(_ answers: [Endpoint: SocketEndpoint], at now: Moment) {
        if names.answer(answers) { sweepDue = now.monotonic }
    }

    // MARK: repair

    /// Compares the kernel with the document and mends what differs.
    private func sweep(at now: Moment) {
        sweepDue = now.monotonic + Self.sweepInterval
        followHandshakes(at: now)
        guard let target else { return }
        let observed: ObservedNode
        do { observed = try kernel.observe(scope(target)) } catch {
            if lastObservationFailure != error.description { log.error(error.description) }
            lastObservationFailure = error.description
            return
        }
        lastObservationFailure = nil
        names.note(observed, for: target.interfaces, wall: now.wall)
        for line in tunnelWatch.note(observed) {
            if line.isGood { log.notice(line.text) } else { log.warning(line.text) }
        }
        let steps = Differ.plan(
            mesh: identity.mesh, desired: target, superseded: superseded, observed: observed,
            now: now.wall)
        superseded = .bare
        let due = pacer.due(steps, now: now.monotonic)
        let moves = Differ.moves(in: due, desired: target.interfaces, observed: observed)
        repair(moves.isEmpty ? due : due.filter { !moves.contains($0) }, at: now)
        follow(moves, at: now)
    }

    /// Moves routes of devices that have come by their other keys, when all that they can lead to stands.
    private func follow(_ steps: [PlanStep], at now: Moment) {
        for step in steps {
            guard let failure = kernel.apply([step]).failure else {
                log.notice("followed a handshake: \(step.summary)")
                continue
            }
            note(step, failure, at: now)
        }
    }

    /// Takes each step; one that fails does not keep the others from being taken.
    private func repair(_ steps: [PlanStep], at now: Moment) {
        var rest = steps[...]
        while !rest.isEmpty {
            let outcome = kernel.apply(Array(rest))
            for step in rest.prefix(outcome.done) { note(step, nil, at: now) }
            rest = rest.dropFirst(outcome.done)
            guard let failure = outcome.failure else { return }
            guard let failed = rest.popFirst() else { return }
            note(failed, failure, at: now)
        }
    }

    private func note(_ step: PlanStep, _ failure: NodeError?, at now: Moment) {
        pacer.note(step, failed: failure != nil, now: now.monotonic)
        repairs.append(Repair(at: now.wall, step: step, failure: failure?.description))
        if repairs.count > 50 { repairs.removeFirst(repairs.count - 50) }
        if let failure {
            log.warning("could not \(step.summary) (\(step.reason)): \(failure)")
        } else {
            log.notice("repaired: \(step.summary) (\(step.reason))")
        }
    }

    func scope(_ desired: DesiredNode) -> KernelScope {
        KernelScope(
            mesh: identity.mesh, desired: desired,
            networks: Array(Set(store.networks + desired.interfaces.flatMap(\.networks))),
            resolved: names.resolved)
    }

    func plan(_ desired: DesiredNode, at now: Moment) throws(NodeError) -> [PlanStep] {
        let observed = try kernel.observe(scope(desired))
        return Differ.plan(
            mesh: identity.mesh, desired: desired, superseded: target ?? .bare,
            observed: observed, now: now.wall)
    }

    /// Looks again soon where a device without an agent may come by another set of keys at any time.
    private func followHandshakes(at now: Moment) {
        guard Differ.followsHandshakes(target?.interfaces ?? []) else { return }
        sweepDue = min(sweepDue, now.monotonic + Self.followInterval)
    }

    private func followNames() {
        names.follow(target?.interfaces ?? [])
    }

    /// Brings the kernel to what is wanted now, as a sweep, but at once and without regard to earlier failures.
    private func settle(at now: Moment) {
        pacer.reset()
        followNames()
        sweep(at: now)
        documentChanged(at: now)
    }

    // MARK: commit

    func commit(
        _ revision: UInt64, window: Double, from connection: UInt64, isByMail: Bool = false,
        at now: Moment
    ) throws(ProtocolError) -> [PlanStep] {
        if let pending = store.unconfirmed?.taken.document.revision {
            guard pending == revision else {
                throw ProtocolError(
                    .busy, "revision \(pending) waits for confirmation; confirm it or roll it back")
            }
            committer = connection
            return []
        }
        guard let staged = store.staged, staged.document.revision == revision else {
            throw ProtocolError(.notStaged, "revision \(revision) is not staged; stage it first")
        }
        guard window > 0, window <= Self.longestWindow else {
            throw ProtocolError(
                .invalidDocument,
                "a window of \(window) seconds; up to \(Int(Self.longestWindow)) are allowed")
        }
        do throws(NodeError) {
            let steps = try plan(staged.document.desired, at: now)
            try store.commit(
                until: now.monotonic + window, bootID: bootID, isByMail: isByMail)
            committer = connection
            if !isByMail { restFromMail(at: now) }
            pacer.reset()
            followNames()
            followHandshakes(at: now)
            try carryOut(steps, at: now)
            documentChanged(at: now)
            log.notice(
                "committed revision \(revision), \(steps.count) steps, window \(Int(window)) s")
            return steps
        } catch {
            rollBack(at: now, reason: error.description)
            settle(at: now)
            throw ProtocolError(
                .applyFailed,
                "\(error.description); the node is back at revision "
                    + "\(store.current?.document.revision ?? 0)")
        }
    }

    /// Takes all steps, or throws the first failure. That of a tunnel or of names is noted, told by what is observed and
    /// tried again by each sweep: it is no reason to take the rest of a change back.
    private func carryOut(_ steps: [PlanStep], at now: Moment) throws(NodeError) {
        var rest = steps[...]
        while !rest.isEmpty {
            let outcome = kernel.apply(Array(rest))
            rest = rest.dropFirst(outcome.done)
            guard let failure = outcome.failure, let failed = rest.popFirst() else { return }
            guard failed.change.mayFailAlone else {
                throw NodeError(
                    failure.code, failed.summary, failure.subject, failure.message,
                    hint: failure.hint)
            }
            note(failed, failure, at: now)
        }
    }

    func confirm(
        _ revision: UInt64, from connection: UInt64, at now: Moment
    ) throws(ProtocolError) {
        guard let pending = store.unconfirmed else {
            if store.current?.document.revision == revision { return }
            if let undone = store.rolledBack, undone.revision == revision {
                throw ProtocolError(
                    .notStaged, "revision \(revision) was rolled back: \(undone.reason)")
            }
            throw ProtocolError(.notStaged, "revision \(revision) is not committed")
        }
        guard pending.taken.document.revision == revision else {
            throw ProtocolError(
                .notStaged,
                "revision \(pending.taken.document.revision) is committed, not \(revision)")
        }
        guard connection != committer else {
            throw ProtocolError(
                .failed,
                "confirm over a new connection, to prove that the node can still be reached")
        }
        do { try store.confirm() } catch { throw error.refusal }
        committer = nil
        log.notice("revision \(revision) is confirmed")
        documentChanged(at: now)
        restFromMail(at: now)
        mailRound.begin(at: now.monotonic)
    }

    func rollBack(_ revision: UInt64, at now: Moment) throws(ProtocolError) {
        guard let pending = store.unconfirmed?.taken.document.revision else {
            if store.rolledBack?.revision == revision { return }
            throw ProtocolError(.notStaged, "revision \(revision) is not committed")
        }
        guard pending == revision else {
            throw ProtocolError(.notStaged, "revision \(pending) is committed, not \(revision)")
        }
        rollBack(at: now, reason: "the controller asked for it")
        settle(at: now)
    }

    /// Takes the committed document back on disk; ``settle(at:)`` does so in the kernel.
    private func rollBack(at now: Moment, reason: String) {
        guard let undone = store.unconfirmed?.taken.document else { return }
        let revision = undone.revision
        superseded = undone.desired
        log.warning("rolling back revision \(revision): \(reason)")
        committer = nil
        do { try store.rollBack(at: now, reason: reason) } catch { log.error(error.description) }
    }

    // MARK: answers

    func hello() throws(NodeError) -> NodeHello {
        NodeHello(
            version: ProtocolVersion.current, program: program, meshID: identity.meshID,
            node: identity.node, keys: try keys.publicKeys(), sshKeys: try keys.sshPublicKeys(),
            mailKeys: try keys.mailPublicKeys(),
            revision: store.current?.document.revision ?? 0,
            highestRevision: store.highestRevision,
            unconfirmed: store.unconfirmed?.taken.document.revision, rolledBack: store.rolledBack,
            controllerKey: identity.controllerKey)
    }

    func report(at now: Moment) throws(NodeError) -> NodeReport {
        let wanted = target ?? .bare
        let observed = try kernel.observe(scope(wanted))
        let drift =
            target == nil
            ? []
            : Differ.plan(mesh: identity.mesh, desired: wanted, observed: observed, now: now.wall)
        return NodeReport(
            hello: try hello(), observed: observed,
            document: (store.unconfirmed?.taken ?? store.current)?.document, drift: drift,
            repairs: repairs, mail: mailbox.report)
    }

    /// Pins the controller's new key: on disk first, in one replacement, so that a crash leaves the one or the other.
    func succeed(_ chain: [KeySuccession]) throws(ProtocolError) {
        let next: NodeIdentity
        do { next = try identity.succeeding(chain) } catch { throw error.protocolError }
        if next == identity { return }
        do { try next.write(folders, storage) } catch { throw error.refusal }
        identity = next
        check = DocumentCheck(next)
        log.notice("the controller has a new key, number \(next.keySequence ?? 0)")
    }

    func end() { isEnding = true }
}
