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
    let only: Set<String>?
    let present: Set<String>
    let fleet: Fleet

    /// Gathers what a run needs. The state must be open for writing.
    ///
    /// - Parameters:
    ///   - only: the nodes to work on; nil for all. The others are not even contacted.
    ///   - present: nodes that join by themselves and are here now, so that `carrier` reaches them.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, program: NodeProgram,
        settings: RunSettings, progress: any Progress, only: Set<String>? = nil,
        present: Set<String> = []
    ) {
        self.only = only
        self.present = present
        self.topology = topology
        self.state = state
        self.carrier = carrier
        self.program = program
        self.settings = settings
        self.progress = progress
        fleet = Fleet(parallel: settings.parallel, progress: progress)
    }

    /// One node that was reached, with what it said before any change.
    struct Member: Sendable {
        let contact: NodeContact
        let report: NodeReport
        let bootstrap: [PlanStep]
        var name: String { contact.node.name }
    }

    /// A member with the document that it is to get.
    struct Change: Sendable {
        let member: Member
        var document: NodeDocument
        var name: String { member.name }
    }

    /// Runs all phases.
    ///
    /// *Throws:* ``ControllerError`` only where nothing could be started at all; what goes wrong with a node is in the report.
    public func run() throws(ControllerError) -> UpReport {
        let started = Clocks.monotonic()
        let managed = topology.managedNodes.filter { only?.contains($0.name) ?? true }
        if let open = state.openRotation, !open.progress.isInGrace {
            throw ControllerError(
                .rotating, "a rotation of this mesh's keys is open",
                hint: "meshproof rotate --resume, or meshproof rotate --abort")
        }
        try state.settleGenerations(at: Clocks.wall())
        let addresses = try state.allocateAddresses(for: topology)
        let identity = state.identity

        let contacts = try fleet.phase(
            "connecting", managed.filter { !$0.isReachedByMail || present.contains($0.name) },
            name: \.name
        ) {
            node throws(ControllerError) in
            try prepared(try contact(node, identity: identity))
        }
        // In the topology's order, whoever answered first.
        let members = managed.compactMap { contacts.results[$0.name] }
        for member in members { try state.record(member.report.hello, of: member.contact.node) }

        let design = try design(addresses: addresses)
        var outcomes = UpOutcomes(managed, members: contacts.results, failures: contacts.failures)
        let changes = try bring(members, to: design, into: &outcomes)
        try leaveMail(
            for: managed.filter { !present.contains($0.name) }, lost: contacts.failures,
            at: members.filter { outcomes.isGood($0.name) }, design, into: &outcomes)
        try tidy(members.filter { outcomes.isGood($0.name) })

        let handshakes = try awaitHandshakes(
            members.filter { outcomes.isGood($0.name) }, anyChange: !changes.isEmpty)
        let tunnels = try awaitTunnels(
            members.filter { outcomes.isGood($0.name) }, anyChange: !changes.isEmpty)
        for outcome in outcomes.inOrder where outcomes.isGood(outcome.node) { finish(outcome) }
        return UpReport(
            mesh: topology.mesh.name, nodes: outcomes.inOrder, handshakes: handshakes.alive,
            peerings: handshakes.wanted, tunnels: tunnels,
            waiting: design.waiting.map(\.text) + design.waitingTunnels.map(\.text),
            former: try state.formerNodes(besides: topology).map(FormerNode.init),
            seconds: Clocks.monotonic() - started)
    }

    /// Gives each node its document where it has not got it, or is not as it says; returns who got one.
    func bring(
        _ members: [Member], to design: MeshDesign, into outcomes: inout UpOutcomes
    ) throws(ControllerError) -> [Change] {
        var changes: [Change] = []
        for member in members {
            guard let document = design.documents[member.name] else { continue }
            if document.wantsTheSame(as: member.report.document) && member.report.drift.isEmpty
                && member.report.hello.unconfirmed == nil
            {
                outcomes.unchanged(member.name)
                if let document = member.report.document {
                    try state.noteHanded(document)
                }
            } else {
                changes.append(Change(member: member, document: document))
            }
        }
        let revisions = try state.nextRevisions(
            above: Dictionary(
                uniqueKeysWithValues: changes.map {
                    // What a node says of itself must not use up the numbers that there are.
                    ($0.name, min($0.member.report.hello.highestRevision, .max / 2))
                }))
        for index in changes.indices {
            changes[index].document.revision = revisions[changes[index].name] ?? 0
        }
        try apply(changes, into: &outcomes)
        return changes
    }

    /// Has nodes wipe keys of sets that are over: those of a node that is new, or was away while keys were rotated.
    private func tidy(_ members: [Member]) throws(ControllerError) {
        let layout = state.layout
        let identity = state.identity
        func isOver(_ member: Member) -> Bool {
            let hello = member.report.hello
            return hello.keys.keys.contains { !layout.generations.contains($0) }
                || hello.sshKeys.keys.contains { $0 != layout.ssh }
        }
        _ = try fleet.phase("wiping keys", members.filter(isOver), name: \.name) {
            member throws(ControllerError) in
            let hello = member.report.hello
            let agent = try member.contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            try agent.forgetKeys(
                wireguard: hello.keys.keys.filter { !layout.generations.contains($0) },
                ssh: hello.sshKeys.keys.filter { $0 != layout.ssh })
        }
    }

    private func finish(_ outcome: UpReport.Outcome) {
        let count = outcome.steps.count
        let text =
            outcome.state == .unchanged
            ? "unchanged" : count == 1 ? "1 step" : "\(count) steps"
        progress.finished(outcome.node, "\(text), revision \(outcome.revision)", good: true)
    }

    // MARK: Contact

    /// Has a node that is new, or was away while keys were rotated, make its keys of the sets in use.
    private func prepared(_ member: Member) throws(ControllerError) -> Member {
        let layout = state.layout
        let hello = member.report.hello
        let isMissing = hello.keys[layout.wireguard] == nil || hello.sshKeys[layout.ssh] == nil
        guard isMissing else { return member }
        let agent = try member.contact.agent(
            meshID: state.identity.meshID, mesh: state.identity.mesh)
        if hello.keys[layout.wireguard] == nil {
            _ = try agent.prepareKey(layout.wireguard)
        }
        if hello.sshKeys[layout.ssh] == nil { _ = try agent.prepareSSHKeys(layout.ssh) }
        return Member(
            contact: member.contact, report: try agent.observe(), bootstrap: member.bootstrap)
    }

    func contact(_ node: Node, identity: MeshIdentity) throws(ControllerError) -> Member {
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
            bootstrap.append(contact.installStep)
        }
        let probe = contact.probe
        if !bootstrap.isEmpty || !probe.isEnrolled || !probe.hasSocket || probe.isStale {
            try enroll(contact, identity: identity, into: &bootstrap)
        }
        let connection: NodeConnection
        do throws(ControllerError) {
            connection = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        } catch {
            // A socket without an agent behind it: the agent was killed and left its file.
            if error.code != .agent && error.code != .hungUp || !bootstrap.isEmpty { throw error }
            try enroll(contact, identity: identity, into: &bootstrap)
            connection = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
        }
        if try connection.handOver(identity) {
            bootstrap.append(NodeConnection.pinStep(identity.controllerKey))
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
            bootstrap.append(NodeContact.enrollStep(mesh: identity.mesh))
        }
        bootstrap.append(PlanStep(.startAgent, reason: enrollment.agent))
    }

    // MARK: Resolve

    func design(addresses: [String: [IPAddress]]) throws(ControllerError) -> MeshDesign {
        let layout = state.layout
        var made: [Int: [Peering: PresharedKeyID]] = [:]
        for set in layout.sets {
            let keys = try state.nodeKeys(of: topology, generation: set.generation)
            let pairs = topology.managedPeerings().filter {
                keys[$0.a] != nil && keys[$0.b] != nil && set.carries($0)
            }
            made[set.generation] = try state.ensurePresharedKeys(
                for: pairs, generation: set.generation, layout)
        }
        let known = made
        let inputs = try state.inputs(
            for: topology, layout, addresses: addresses,
            presharedKeys: { pair, generation in known[generation]?[pair] })
        return MeshDesign(topology, inputs)
    }
}
