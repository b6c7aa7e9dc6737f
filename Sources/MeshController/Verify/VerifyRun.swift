import LinuxSystem
public import MeshModel
import NodeProtocol
import Secrets

/// Verifies every edge: one capture window on all nodes, all probes in it, and then judgement.
public struct VerifyRun: Sendable {
    /// Every node takes part at the same time, so that what one sends another sees.
    private static let fanOutLimit = 256

    private let topology: Topology
    private let state: ControllerState
    private let carrier: any Carrier
    private let settings: RunSettings
    private let fleet: Fleet

    /// Gathers what a run needs; reading the state is enough.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, settings: RunSettings,
        progress: any Progress
    ) {
        self.topology = topology
        self.state = state
        self.carrier = carrier
        self.settings = settings
        fleet = Fleet(
            parallel: max(settings.parallel, Self.fanOutLimit), progress: progress)
    }

    /// What a run concludes, and what it is based on.
    public struct Outcome: Sendable {
        /// What is concluded.
        public var report: VerifyReport
        /// Each node's facts, as they were signed.
        public let facts: [String: [UInt8]]
    }

    /// A node that takes part.
    private struct Member: Sendable {
        let node: Node
        let connection: WitnessConnection
        let look: NodeLook
    }

    /// Looks, begins, probes, finishes and judges.
    ///
    /// *Throws:* ``ControllerError`` only where nothing could be asked at all; a node that fails is in the report.
    public func run(_ question: VerifyQuestion) throws(ControllerError) -> Outcome {
        let began = Clocks.wall()
        let start = Clocks.monotonic()
        guard let meshID = state.knownMeshID else {
            throw ControllerError(
                .enroll, "mesh \(topology.mesh.name) has not been brought up yet",
                hint: "run meshproof up")
        }
        let known = try VerifyKnowledge(topology, state)
        let nonce = known.nonce
        // A wrong name is told before anybody is asked anything.
        _ = try question.select(known.resolver(looks: [:]).cases())

        let looks = try fleet.phase("looking", topology.contactedNodes, name: \.name) {
            node throws(ControllerError) in
            try self.look(at: node, meshID: meshID, nonce: nonce)
        }
        var missing = looks.failures
        for node in topology.managedNodes where node.isReachedByMail {
            missing[node.name] = .joined(
                node,
                hint: "what it does is not proven; an edge that has to be needs `connect: ssh://…`")
        }
        var members = topology.managedNodes.compactMap { looks.results[$0.name] }
        let resolver = known.resolver(looks: looks.results.mapValues(\.look))
        let cases = try question.select(resolver.cases())
        let orders = resolver.witnessOrders(cases, on: Set(members.map(\.node.name)))

        members = try step("watching", members, &missing) { member throws(ControllerError) in
            guard let order = orders[member.node.name] else { return }
            try member.connection.begin(order)
        }
        let planner = ProbePlanner(resolver, cases, able: Set(members.map(\.node.name)))
        let plan = planner.plan(withForbidden: question.isWhole)
        let controller = OwnProbes()
        if question.passive == nil { controller.begin(plan.controller) }
        let label = question.passive.map { "watching for \(Int($0)) s" } ?? "probing"
        members = try step(label, members, &missing) { member throws(ControllerError) in
            // Without probes too: it is then that each sends what the others have to see.
            try member.connection.probe(
                question.passive == nil ? plan.nodes[member.node.name] ?? [] : [])
        }
        let own = controller.wait()
        if let seconds = question.passive { Clocks.sleep(seconds) }
        let gathered = try fleet.phase("gathering", members, name: \.node.name) {
            member throws(ControllerError) in
            try member.connection.finish()
        }
        missing.merge(gathered.failures) { first, _ in first }

        var evidence = Evidence(
            nonce: nonce, meshID: meshID, began: began, passive: question.passive, facts: [:],
            missing: missing.mapValues {
                MissingFacts(
                    wereRefused: false, message: $0.message,
                    fix: $0.hint ?? "meshproof status says more")
            }, controllerProbes: own)
        let payloads = try accept(
            gathered.results, looks: looks.results.mapValues(\.look), into: &evidence)
        for (name, problem) in evidence.missing where problem.wereRefused {
            fleet.progress.finished(name, problem.message, good: false)
        }
        for name in payloads.keys { fleet.progress.finished(name, "told what it saw", good: true) }

        let now = Clocks.wall()
        let report = VerifyReport(
            format: VerifyReport.currentFormat, run: nonce, mesh: topology.mesh.name,
            meshID: meshID, began: began, seconds: Clocks.monotonic() - start,
            passive: question.passive, topology: question.topology,
            nodes: topology.managedNodes.map { node in
                NodeWitness(
                    node: node.name, bootID: evidence.facts[node.name]?.bootID,
                    facts: payloads[node.name].map { Digests.sha256($0) },
                    problem: evidence.missing[node.name]?.message)
            },
            edges: cases.map { Judge.judge($0, evidence, now: now) },
            forbidden: plan.forbidden.map {
                Judge.judge(
                    forbid: $0.id, probes: [], guardedAt: $0.isGuarded && !$0.isTried ? $0.to : nil,
                    evidence: evidence, now: now)
            }, required: question.required, receipt: nil,
            selection: question.isWhole ? nil : question.paths + question.edges,
            notes: evidence.notes.isEmpty ? nil : evidence.notes)
        return Outcome(report: report, facts: payloads)
    }

    // MARK: phases

    private func look(
        at node: Node, meshID: String, nonce: String
    ) throws(ControllerError) -> Member {
        let contact = try NodeContact(
            node, mesh: topology.mesh.name, by: carrier, timeout: settings.timeout)
        guard contact.probe.isEnrolled else {
            throw ControllerError(
                .enroll, "\(node.name) is not part of mesh \(topology.mesh.name) yet",
                hint: "run meshproof up")
        }
        let connection = try contact.witness(mesh: topology.mesh.name)
        return Member(
            node: node, connection: connection,
            look: try connection.look(meshID: meshID, nonce: nonce))
    }

    /// A phase whose failures take their node out of the run.
    private func step(
        _ label: String, _ members: [Member], _ missing: inout [String: ControllerError],
        _ body: @escaping @Sendable (Member) throws(ControllerError) -> Void
    ) throws(ControllerError) -> [Member] {
        let outcome = try fleet.phase(label, members, name: \.node.name, body)
        missing.merge(outcome.failures) { first, _ in first }
        return members.filter { outcome.failures[$0.node.name] == nil }
    }

    private func accept(
        _ signed: [String: SignedFacts], looks: [String: NodeLook], into evidence: inout Evidence
    ) throws(ControllerError) -> [String: [UInt8]] {
        let acceptance = FactAcceptance(hostKeys: try state.allHostKeys(of: topology))
        let ended = Clocks.wall()
        var payloads: [String: [UInt8]] = [:]
        // In the topology's order: the same run always reads the same.
        for name in topology.managedNodes.map(\.name) {
            guard let facts = signed[name] else { continue }
            let admission = FactAdmission(
                node: name, meshID: evidence.meshID, nonce: evidence.nonce,
                bootID: looks[name]?.bootID, began: evidence.began, ended: ended)
            switch acceptance.open(facts, admission) {
            case .success(let accepted):
                evidence.facts[name] = accepted.facts
                evidence.notes += admission.notes(on: accepted.facts)
                payloads[name] = accepted.payload
            case .failure(let refusal): evidence.missing[name] = refusal.missing
            }
        }
        return payloads
    }
}
