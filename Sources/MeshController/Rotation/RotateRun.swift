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
        /// Begin a rotation of these keys.
        case begin(wireguard: Bool, ssh: Bool, drain: Double)
        /// Begin a rotation of the keys that are older than the topology allows, if any are.
        case beginDue(drain: Double)
        /// Go on with the one that is open.
        case resume
        /// Take the one that is open back.
        case abort
    }

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
        try refuseJoined(without: without + (state.openRotation?.plan.without ?? []))
        let isBack: Bool
        switch wish {
        case .begin(let wireguard, let ssh, let drain):
            try begin(
                wireguard: wireguard, ssh: ssh, drain: drain, without: without, command: command)
            isBack = false
        case .beginDue(let drain):
            let due = try due()
            guard due.wireguard || due.ssh else {
                return RotateReport(
                    mesh: topology.mesh.name, run: "", outcome: .notDue, without: [])
            }
            try begin(
                wireguard: due.wireguard, ssh: due.ssh, drain: drain, without: without,
                command: command)
            isBack = false
        case .resume:
            try goOn(without: without)
            isBack = false
        case .abort:
            try goOn(without: without)
            isBack = true
        }
        guard let open = state.openRotation else { throw Self.nothingOpen }
        if isBack && !open.progress.isBack && !open.progress.canGoBack {
            throw ControllerError(
                .usage, "the old keys are being wiped already, so there is no way back",
                hint: "meshproof rotate --resume")
        }
        var report = RotateReport(
            mesh: topology.mesh.name, run: open.plan.id, outcome: .stopped,
            wireguard: open.plan.wireguard, ssh: open.plan.ssh, without: open.plan.without)
        take(all: open, isBack: isBack, into: &report)
        report.seconds = Clocks.monotonic() - started
        return report
    }

    private static let nothingOpen = ControllerError(
        .usage, "no rotation is open", hint: "meshproof rotate begins one")

    private static let alreadyOpen = ControllerError(
        .rotating, "a rotation of this mesh's keys is open already",
        hint: "meshproof rotate --resume, or meshproof rotate --abort")

    // MARK: beginning

    private func begin(
        wireguard: Bool, ssh: Bool, drain: Double, without: [String], command: String
    ) throws(ControllerError) {
        if state.openRotation != nil { throw Self.alreadyOpen }
        guard state.knownMeshID != nil,
            try !state.nodeKeys(
                of: topology, generation: state.generations.wireguard
            ).isEmpty
        else {
            throw ControllerError(
                .enroll, "mesh \(topology.mesh.name) has not been brought up yet",
                hint: "run meshproof up")
        }
        if wireguard { try refuseUnmanaged(without: without) }
        let members = try gather(without: without)
        try refuseUnready(members, withTunnels: ssh)
        let now = Clocks.wall()
        let id = "rotate-\(Clocks.wallSeconds())-\(ControllerState.newMeshID().prefix(8))"
        let settled = state.generations
        try state.begin(
            RotationPlan(
                id: id, wireguard: wireguard ? .init(after: settled.wireguard) : nil,
                ssh: ssh ? .init(after: settled.ssh) : nil, without: without.sorted(), drain: drain,
                began: now),
            command: command)
    }

    /// Which keys are older than the topology allows.
    ///
    /// A rotation that is open is not due but in doubt: a person has to say whether it goes on.
    private func due() throws(ControllerError) -> (wireguard: Bool, ssh: Bool) {
        guard let schedule = topology.mesh.rotation else {
            throw ControllerError(
                .usage, "the topology does not say how often keys are replaced",
                hint: "add `rotate: every 30d` to its mesh")
        }
        if state.openRotation != nil { throw Self.alreadyOpen }
        let settled = state.generations
        let now = Clocks.wall()
        return (
            schedule.isDue(since: settled.wireguardSince, now: now),
            schedule.isDue(since: settled.sshSince, now: now)
        )
    }

    private func goOn(without: [String]) throws(ControllerError) {
        guard var plan = state.openRotation?.plan else { throw Self.nothingOpen }
        let all = Set(plan.without).union(without).sorted()
        if all == plan.without { return }
        plan.without = all
        try state.change(plan)
    }

    /// An unmanaged node learns of new keys only from its owner, and is cut off until then.
    private func refuseUnmanaged(without: [String]) throws(ControllerError) {
        let unmanaged = Set(topology.nodes.filter { !$0.managed }.map(\.name))
        let concerned = topology.peerings().flatMap { [$0.a, $0.b] }.filter {
            unmanaged.contains($0) && !without.contains($0)
        }
        guard let name = concerned.sorted().first else { return }
        throw ControllerError(
            .usage,
            "\(name) is not managed: with new keys at its peers it is cut off until it is given them",
            hint: "meshproof rotate --force-retire \(name), and then give it its peers' new keys")
    }

    /// Every step waits for every node, and one that no command logs in to cannot be waited for.
    private func refuseJoined(without: [String]) throws(ControllerError) {
        for node in topology.managedNodes where node.isReachedByMail {
            guard !without.contains(node.name), try state.hasJoined(node) else { continue }
            throw ControllerError(
                .joined,
                "no command logs in to \(node.name) (connect: join), so it cannot take part in a rotation",
                hint:
                    "meshproof rotate --force-retire \(node.name) goes on without it; it is cut off "
                    + "then, until it joins again: meshproof peer invite \(node.name)")
        }
    }

    private func refuseUnready(
        _ members: [UpRun.Member], withTunnels: Bool
    ) throws(ControllerError) {
        let design = try up.design(addresses: try state.previewAddresses(for: topology))
        for member in members {
            guard let document = design.documents[member.name],
                document.wantsTheSame(as: member.report.document)
            else {
                throw ControllerError(
                    .usage, "\(member.name) is not as the topology wants it",
                    hint: "run meshproof up first")
            }
        }
        let reports = Dictionary(
            members.map { ($0.name, $0.report) }, uniquingKeysWith: { first, _ in first })
        let tunnels = TunnelStatus.list(topology, reports: reports)
        if withTunnels,
            let broken = tunnels.first(where: {
                reports[$0.from] != nil && reports[$0.to] != nil && $0.state != .up
                    && $0.state != .blocked
            })
        {
            throw ControllerError(
                .usage, "the tunnel of \(broken.edge) does not stand",
                hint: "meshproof tunnel ls says why; mend it first")
        }
    }

    // MARK: going on

    private func take(all open: OpenRotation, isBack: Bool, into report: inout RotateReport) {
        var latest = open.progress.latest
        do throws(ControllerError) {
            while let step = state.openRotation?.progress.next(isBack: isBack) {
                latest = step
                let began = Clocks.monotonic()
                try state.note(step, .begun, at: Clocks.wall())
                try take(step, open.plan, into: &report)
                try state.note(step, .done, at: Clocks.wall())
                report.steps.append(.init(step: step, seconds: Clocks.monotonic() - began))
                progress.finished(step.rawValue, step.summary, good: true)
            }
        } catch {
            // What cannot be noted either is told at least.
            try? state.note(latest, .failed, detail: error.message, at: Clocks.wall())
            progress.finished(latest.rawValue, error.message, good: false)
            report.outcome = .stopped
            report.stoppedAt = latest
            report.error = error.message
            report.fix = error.hint
        }
    }

    private func take(
        _ step: RotationStep, _ plan: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) {
        progress.working(step.rawValue, "working")
        switch step {
        case .finish, .cancel:
            try end(step, plan, into: &report)
            return
        default: break
        }
        let members = try gather(without: plan.without)
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
        case .retire: try retire(members, plan, isBack: false, into: &report)
        case .withdraw: try retire(members, plan, isBack: true, into: &report)
        case .sweep: try sweep(members, plan, isBack: false, into: &report)
        case .sweepBack: try sweep(members, plan, isBack: true, into: &report)
        case .finish, .cancel: break
        }
    }

    private func end(
        _ step: RotationStep, _ plan: RotationPlan, into report: inout RotateReport
    ) throws(ControllerError) {
        let now = Clocks.wall()
        let isBack = step == .cancel
        let result = isBack ? state.generations : plan.result(state.generations, at: now)
        report.outcome = isBack ? .takenBack : .rotated
        try state.endRotation(result, outcome: report.outcome.rawValue, at: now)
    }
}
