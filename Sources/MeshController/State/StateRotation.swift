import LinuxSystem
public import MeshModel
import NodeProtocol
import StateStore
import Synchronization

/// What the state remembers of keys in use, read once when it is opened.
struct RotationNote: Sendable {
    var generations = KeyGenerations()
    var open: OpenRotation?
}

/// A rotation that was begun and not ended.
public struct OpenRotation: Sendable, Equatable {
    /// What it is to do.
    public var plan: RotationPlan
    /// How far it has come.
    public var progress: RotationProgress
}

extension ControllerState {
    /// The sets of keys in use.
    public var generations: KeyGenerations { rotation.withLock(\.generations) }

    /// The rotation that is open, or nil.
    public var openRotation: OpenRotation? { rotation.withLock(\.open) }

    /// Which sets of keys documents hold now: one of each, or what the open rotation's present step says.
    public var layout: RotationLayout {
        rotation.withLock { note in
            guard let open = note.open else { return RotationLayout(settled: note.generations) }
            return open.plan.layout(at: open.progress.latest, settled: note.generations)
        }
    }

    /// What documents held before the rotation's present step; nil where that is what they hold now.
    var formerLayout: RotationLayout? {
        rotation.withLock { note in
            guard let open = note.open else { return nil }
            let now = open.plan.layout(at: open.progress.latest, settled: note.generations)
            let former = open.plan.layout(
                at: open.progress.latestDone, settled: note.generations)
            return former == now ? nil : former
        }
    }

    static func rotationNote(_ store: StateStore?) throws(ControllerError) -> RotationNote {
        guard let store else { return RotationNote() }
        return try translate {
            let registry = RotationRegistry(store)
            var note = RotationNote(generations: try registry.generations())
            if let plan = try registry.open() {
                note.open = OpenRotation(
                    plan: plan, progress: try progress(of: plan.id, Journal(store)))
            }
            return note
        }
    }

    /// Takes in what another process may have noted meanwhile.
    func rereadRotation() throws(ControllerError) {
        let now = try Self.rotationNote(store)
        rotation.withLock { $0 = now }
    }

    private static func progress(
        of run: String, _ journal: Journal
    ) throws(StoreError) -> RotationProgress {
        var progress = RotationProgress()
        for entry in try journal.steps(of: run) {
            guard let step = RotationStep(rawValue: entry.step) else { continue }
            progress.note(step, isDone: entry.state == .done)
        }
        return progress
    }

    /// Notes since when the first sets of keys are in use. *Idempotency:* what is noted stays.
    func settleGenerations(at now: Double) throws(ControllerError) {
        let registry = RotationRegistry(try storeForWriting())
        try Self.translate {
            try registry.settle(KeyGenerations(wireguardSince: now, sshSince: now))
        }
        let noted = try Self.translate { try registry.generations() }
        rotation.withLock { $0.generations = noted }
    }

    /// Notes other ages of the keys in use.
    func settle(_ generations: KeyGenerations) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate { try RotationRegistry(store).change(generations) }
        rotation.withLock { $0.generations = generations }
    }

    /// Opens a rotation.
    func begin(_ plan: RotationPlan, command: String) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            // The journal first: a plan without one could not go on.
            try Journal(store).begin(plan.id, command: command, at: plan.began)
            try RotationRegistry(store).begin(plan)
        }
        rotation.withLock { $0.open = OpenRotation(plan: plan, progress: RotationProgress()) }
    }

    /// Changes what the open rotation goes on without.
    func change(_ plan: RotationPlan) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate { try RotationRegistry(store).change(plan) }
        rotation.withLock { $0.open?.plan = plan }
    }

    /// Notes how a step of the open rotation stands; it is on the disk when this returns.
    func note(
        _ step: RotationStep, _ state: JournalStep.State, detail: String? = nil, at now: Double
    ) throws(ControllerError) {
        let store = try storeForWriting()
        guard let open = openRotation else { return }
        try Self.translate {
            try Journal(store).append(
                JournalStep(node: "", step: step.rawValue, state: state, at: now, detail: detail),
                to: open.plan.id)
        }
        rotation.withLock { $0.open?.progress.note(step, isDone: state == .done) }
    }

    /// How many ended rotations the journal remembers.
    private static let keptRuns = 20

    /// Ends the open rotation with these sets of keys in use, and forgets the preshared keys of the others.
    func endRotation(
        _ generations: KeyGenerations, outcome: String, at now: Double
    ) throws(ControllerError) {
        let store = try storeForWriting()
        guard let open = openRotation else { return }
        func over(_ turn: RotationPlan.Turn?, _ now: Int) -> Int? {
            turn.map { now == $0.to ? $0.from : $0.to }
        }
        let wireguard = over(open.plan.wireguard, generations.wireguard)
        let ssh = over(open.plan.ssh, generations.ssh)
        if let wireguard { try forgetPresharedKeys(generation: wireguard) }
        // Those that were kept aside are in their own place by now, or are not to be.
        if let aside = open.plan.preshared?.to { try forgetPresharedKeys(generation: aside) }
        try Self.translate {
            // A number comes round again: by then no key of a node that was left behind may count as one of that set.
            let registry = NodeRegistry(store)
            for name in try registry.all().keys.sorted() {
                try registry.update(name) { record in
                    if let wireguard {
                        record.keys[wireguard] = nil
                        record.mailKeys?[wireguard] = nil
                    }
                    if let ssh { record.sshKeys?[ssh] = nil }
                }
            }
            try RotationRegistry(store).end(generations)
            let journal = Journal(store)
            try journal.finish(open.plan.id, outcome: outcome, at: now)
            try journal.prune(keeping: Self.keptRuns)
        }
        rotation.withLock { $0 = RotationNote(generations: generations) }
    }

    /// Ends the first leg of a rotation of some nodes' keys: from here on the second one is what is open.
    ///
    /// *Idempotency:* each part can be done again; the plan's change is the last that decides.
    func beginNextLeg(_ next: RotationPlan, at now: Double) throws(ControllerError) {
        let store = try storeForWriting()
        guard let open = openRotation, let turn = open.plan.wireguard, let scope = open.plan.scope
        else { return }
        try forgetPresharedKeys(generation: turn.from, of: scope.touches)
        try Self.translate {
            let registry = NodeRegistry(store)
            for name in scope.nodes.sorted() where try registry.all()[name] != nil {
                try registry.update(name) { $0.keys[turn.from] = nil }
            }
            let journal = Journal(store)
            if try !journal.unfinished().contains(where: { $0.id == next.id }) {
                try journal.begin(next.id, command: "rotate, home again", at: now)
            }
            try RotationRegistry(store).change(next)
            try journal.finish(open.plan.id, outcome: "half-way", at: now)
        }
        rotation.withLock { $0.open = OpenRotation(plan: next, progress: RotationProgress()) }
    }

    /// What resolving needs for a layout.
    ///
    /// - Parameters:
    ///   - hellos: what nodes have just said of themselves; it is newer than what is kept.
    ///   - presharedKeys: the preshared key of a pair in a generation.
    func inputs(
        for topology: Topology, _ layout: RotationLayout, addresses: [String: [IPAddress]],
        hellos: [String: NodeHello] = [:],
        presharedKeys: @escaping @Sendable (Peering, Int) -> PresharedKeyID?
    ) throws(ControllerError) -> LayoutInputs {
        func told(_ generation: Int) throws(ControllerError) -> [String: PublicKey] {
            var keys = try nodeKeys(of: topology, generation: generation)
            for (name, hello) in hellos { keys[name] = hello.keys[generation] ?? keys[name] }
            return keys
        }
        func toldSSH(_ generation: Int) throws(ControllerError) -> [String: SSHNodeKeys] {
            var keys = try sshKeys(of: topology, generation: generation)
            for (name, hello) in hellos { keys[name] = hello.sshKeys[generation] ?? keys[name] }
            return keys
        }
        var sshBeside: [String: SSHNodeKeys] = [:]
        if let beside = layout.sshBeside { sshBeside = try toldSSH(beside) }
        var inputs: [Int: ResolverInputs] = [:]
        for generation in layout.generations {
            inputs[generation] = ResolverInputs(
                meshID: knownMeshID ?? "", issuedAt: Clocks.wallSeconds(),
                addresses: addresses, keys: try told(generation),
                presharedKeys: { presharedKeys($0, generation) }, generation: generation,
                sshKeys: try toldSSH(layout.ssh), sshKeysBeside: sshBeside)
        }
        return LayoutInputs(layout: layout, inputs: inputs)
    }
}
