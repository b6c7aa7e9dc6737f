import LinuxSystem
public import MeshModel
import NodeProtocol
import StateStore

/// Replaces the keys of a mesh without losing a packet: new ones are brought up beside the old, traffic moves over,
/// and the old ones are taken away and wiped.
///
/// Each step is noted before and after it is taken, on all nodes together, so that a rotation that was cut short
/// anywhere goes on, or goes back. *Idempotency:* every step can be taken again.
public struct RotateRun: Sendable {
    /// What to do.
    public enum Wish: Sendable {
        /// Begin a rotation of these keys. With a scope only the WireGuard keys of its nodes, with no tunnel keys; `grace`
        /// is for how many seconds nodes without an agent may go on with the old ones.
        case begin(
            wireguard: Bool, ssh: Bool, drain: Double, scope: PeeringScope? = nil,
            grace: Double = RotateRun.standardGrace)
        /// Change the preshared keys in place, all or those of a scope.
        case beginPreshared(scope: PeeringScope? = nil)
        /// Begin a rotation of the keys that are older than the topology allows, if any are; look after one whose grace
        /// period is open.
        case beginDue(drain: Double, grace: Double = RotateRun.standardGrace)
        /// Go on with the one that is open.
        case resume
        /// Take the one that is open back.
        case abort
    }

    /// How long nodes without an agent may go on with the keys that they were handed: a week. *Units:* seconds.
    public static let standardGrace: Double = 604_800

    let topology: Topology
    let state: ControllerState
    let up: UpRun
    let progress: any Progress
    var fleet: Fleet { up.fleet }

    /// Gathers what a run needs. The state must be open for writing.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, program: NodeProgram,
        settings: RunSettings, progress: any Progress
    ) {
        self.topology = topology
        self.state = state
        self.progress = progress
        up = UpRun(
            topology, state: state, carrier: carrier, program: program, settings: settings,
            progress: NodeFailures(progress))
    }

    /// Takes every step that is left.
    ///
    /// - Parameters:
    ///   - without: nodes to go on without; they are cut off until they are brought up again.
    ///   - command: the command line, for the journal.
    ///
    /// *Throws:* ``ControllerError`` where nothing was begun; what goes wrong afterwards is in the report.
    public func run(
        _ wish: Wish, without: [String] = [], command: String
    ) throws(ControllerError) -> RotateReport {
        let started = Clocks.monotonic()
        for name in without where !topology.nodes.contains(where: { $0.name == name }) {
            let near = NearestName.find(name, among: topology.nodes.map(\.name))
            throw ControllerError(
                .usage, "no node is called \(name)", hint: near.map { "did you mean \($0)?" })
        }
        var isBack = false
        var notes: [String] = []
        let beginning = RotateBeginning(run: self, without: without, command: command)
        switch wish {
        case .begin(let wireguard, let ssh, let drain, let scope, let grace):
            try beginning.begin(
                wireguard: wireguard, ssh: ssh, drain: drain, scope: scope, grace: grace)
        case .beginPreshared(let scope): try beginning.beginPreshared(scope)
        case .beginDue(let drain, let grace):
            let due = try beginning.beginDue(drain: drain, grace: grace)
            notes = due.notes
            guard due.begins else {
                var report = RotateReport(
                    mesh: topology.mesh.name, run: "", outcome: .notDue, without: [])
                report.notes = notes
                return report
            }
        case .resume: try goOn(without: without, isBack: false)
        case .abort:
            try goOn(without: without, isBack: true)
            isBack = true
        }
        guard let open = state.openRotation else { throw Self.nothingOpen }
        if isBack && !open.progress.isBack && !open.progress.canGoBack(open.plan) {
            throw ControllerError(
                .usage, "the old keys are being wiped already, so there is no way back",
                hint: "meshproof rotate --resume")
        }
        var report = RotateReport(
            mesh: topology.mesh.name, run: open.plan.id, outcome: .stopped,
            wireguard: open.plan.wireguard, ssh: open.plan.ssh,
            preshared: open.plan.preshared != nil, scope: open.plan.scope,
            without: open.plan.without.filter { topology.node($0)?.managed == true })
        report.notes = notes
        takeAll(isBack: isBack, into: &report)
        report.seconds = Clocks.monotonic() - started
        return report
    }

    private static let nothingOpen = ControllerError(
        .usage, "no rotation is open", hint: "meshproof rotate begins one")

    private func goOn(without: [String], isBack: Bool) throws(ControllerError) {
        guard let open = state.openRotation else { throw Self.nothingOpen }
        var plan = open.plan
        let isPartial = plan.scope != nil || plan.preshared != nil
        if isPartial, !isBack, open.progress.canGoBack(plan),
            let lost = without.first(where: { topology.node($0)?.managed == true })
        {
            throw ControllerError(
                .usage,
                "\(lost) would not be cut off by this: only new keys on the whole mesh do that",
                hint: "meshproof rotate --abort --force-retire \(lost), and then "
                    + "meshproof rotate --force-retire \(lost)")
        }
        let all = Set(plan.without).union(without).sorted()
        if all == plan.without { return }
        if !isBack { try dropNewKeys(of: Set(without).subtracting(plan.without).sorted(), open) }
        plan.without = all
        try state.change(plan)
    }

    /// Forgets the new keys of nodes that are not to be gone on with: some may have made theirs before.
    private func dropNewKeys(of names: [String], _ open: OpenRotation) throws(ControllerError) {
        let names = names.filter { topology.node($0)?.managed == true }
        guard open.plan.scope == nil, open.plan.preshared == nil, let name = names.first else {
            return
        }
        guard open.progress.next(open.plan) != .finish else {
            throw ControllerError(
                .usage, "\(name) has the new keys, and nothing but noting that is left to do",
                hint: "meshproof rotate --resume, and then meshproof rotate --force-retire \(name)")
        }
        for name in names {
            try state.dropKeys(of: name, wireguard: open.plan.wireguard?.to, ssh: open.plan.ssh?.to)
        }
    }

    /// Nodes that have joined by themselves, sorted.
    func joined(besides without: [String]) throws(ControllerError) -> [String] {
        var names: [String] = []
        for node in topology.managedNodes
        where node.isReachedByMail && !without.contains(node.name) {
            if try state.hasJoined(node) { names.append(node.name) }
        }
        return names.sorted()
    }

    // MARK: going on

    private func takeAll(isBack: Bool, into report: inout RotateReport) {
        var latest = RotationStep.prepare
        do throws(ControllerError) {
            while let open = state.openRotation,
                let step = open.progress.next(open.plan, isBack: isBack)
            {
                latest = step
                let began = Clocks.monotonic()
                try state.note(step, .begun, at: Clocks.wall())
                guard try take(step, open.plan, into: &report) else { return }
                // The last step has closed its journal, and may have opened the one of the next leg.
                if state.openRotation?.plan.id == open.plan.id {
                    try state.note(step, .done, at: Clocks.wall())
                }
                report.steps.append(.init(step: step, seconds: Clocks.monotonic() - began))
                progress.finished(step.rawValue, summary(of: step, open.plan), good: true)
            }
        } catch {
            // What cannot be noted either is told at least.
            try? state.note(latest, .failed, detail: error.message, at: Clocks.wall())
            progress.finished(latest.rawValue, error.message, good: false)
            report.outcome = .stopped
            report.stoppedAt = latest
            if let open = state.openRotation {
                report.canGoBack = open.progress.isBack || open.progress.canGoBack(open.plan)
            }
            report.error = error.message
            report.fix = error.hint
        }
    }

    private func summary(of step: RotationStep, _ plan: RotationPlan) -> String {
        step == .finish && plan.next != nil
            ? "half-way: now home to set \(plan.wireguard?.from ?? 0), with new keys" : step.summary
    }

    /// *Returns:* whether the step is taken; false where it has to be left open for now.
    private func take(
        _ step: RotationStep, _ plan: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) -> Bool {
        progress.working(step.rawValue, "working")
        switch step {
        case .finish, .cancel:
            try end(step, plan, into: &report)
            return true
        default: break
        }
        let members = try gather(plan)
        switch step {
        case .prepare: try prepare(members, plan)
        case .beside, .moveBack: try bring(members)
        case .handshake: report.silent = try shake(members, plan)
        case .move:
            // Time may have passed since, and a session that is too old would have packets wait for a new one.
            report.silent = try shake(members, plan)
            try bring(members)
        case .rest: try rest(members, plan, isBack: false, into: &report)
        case .restBack: try rest(members, plan, isBack: true, into: &report)
        case .grace: return try grace(members, into: &report)
        case .retire:
            try retire(members, plan, isBack: false)
            try tellByMail(members, plan, into: &report)
        case .withdraw: try retire(members, plan, isBack: true)
        case .swap, .swapBack: try bring(members)
        case .renew, .renewBack: report.silent = try renew(members, plan)
        case .sweep:
            // Somebody may have been named since, whom documents are to name no more.
            if !plan.without.isEmpty { try bring(members) }
            try sweep(members, plan, isBack: false, into: &report)
        case .sweepBack: try sweep(members, plan, isBack: true, into: &report)
        case .finish, .cancel: break
        }
        return true
    }

    private func end(
        _ step: RotationStep, _ begun: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) {
        var plan = begun
        let now = Clocks.wall()
        let isBack = step == .cancel
        if !isBack {
            if let next = plan.next {
                try state.beginNextLeg(next, at: now)
                return
            }
            if let preshared = plan.preshared { try state.settlePresharedKeys(preshared) }
            if plan.byMail != nil && plan.kept == nil {
                // Before the former keys are forgotten, with which they are compared.
                plan.kept = try keptKeys(plan)
                try state.change(plan)
            }
        }
        let result = isBack ? state.generations : plan.result(state.generations, at: now)
        report.outcome = isBack ? .takenBack : .rotated
        if !isBack {
            report.notes += cutOff(by: plan)
            report.notes += (plan.kept ?? []).map {
                "\($0) keeps its own key; the others' old ones go from it with its next mail"
            }
        }
        try state.endRotation(result, outcome: report.outcome.rawValue, at: now)
    }

    /// Nodes that went through it with the key that they had.
    private func keptKeys(_ plan: RotationPlan) throws(ControllerError) -> [String] {
        guard let turn = plan.wireguard else { return [] }
        let former = try state.nodeKeys(of: topology, generation: turn.from)
        let now = try state.nodeKeys(of: topology, generation: turn.to)
        return (plan.byMail ?? []).filter { now[$0] != nil && now[$0] == former[$0] }
    }

    /// Nodes without an agent that have lost a peer's key with no time to fetch the new one, in words.
    private func cutOff(by plan: RotationPlan) -> [String] {
        guard plan.wireguard != nil, plan.grace == nil else { return [] }
        let names = topology.peerings().filter(plan.concerns).flatMap { [$0.a, $0.b] }
        return Set(names).sorted().compactMap { topology.node($0) }
            .filter { !$0.managed && $0.publicKey != nil }
            .map {
                "\($0.name) is cut off until it has its new configuration: meshproof peer show \($0.name) --conf"
            }
    }
}
