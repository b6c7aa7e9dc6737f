import LinuxSystem
public import MeshModel
import NodeProtocol
import StateStore

/// What `up` would do, node by node.
public struct PlanReport: Codable, Sendable {
    /// One node's part.
    public struct NodePlan: Codable, Sendable {
        /// Which node.
        public var node: String
        /// What would be done, in order, each with its reason.
        public var steps: [PlanStep]
        /// Whether new settings are only noted on the node, with no step in its kernel now.
        public var documentOnly: Bool
        /// What else there is to know of a node that no command logs in to.
        public var note: String?
        /// What went wrong where the node could not be asked.
        public var error: String?
        /// What to do about it.
        public var fix: String?
    }

    /// The mesh's name.
    public var mesh: String
    /// Every managed node, in the topology's order.
    public var nodes: [NodePlan]
    /// Peerings that wait for a key.
    public var waiting: [String]
    /// Nodes that have left the topology and still run the mesh.
    public var former: [FormerNode]

    /// Whether anything would be done.
    public var hasChanges: Bool { nodes.contains { !$0.steps.isEmpty || $0.documentOnly } }
    /// Whether every node could be asked.
    public var isComplete: Bool { nodes.allSatisfy { $0.error == nil } }
}

/// Works out what `up` would do, and changes nothing: not on a node, not in the controller's state.
public struct PlanRun: Sendable {
    let topology: Topology
    let state: ControllerState
    let carrier: any Carrier
    let program: NodeProgram
    let settings: RunSettings
    let progress: any Progress
    let only: Set<String>?

    /// Gathers what a run needs; reading the state is enough.
    ///
    /// - Parameter only: the nodes to work on; nil for all.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, program: NodeProgram,
        settings: RunSettings, progress: any Progress, only: Set<String>? = nil
    ) {
        self.only = only
        self.topology = topology
        self.state = state
        self.carrier = carrier
        self.program = program
        self.settings = settings
        self.progress = progress
    }

    /// What one node said when it was looked at.
    private struct Look: Sendable {
        let contact: NodeContact
        var bootstrap: [PlanStep]
        let connection: NodeConnection?
        let report: NodeReport?
    }

    /// Asks every node and puts the plan together.
    public func run() throws(ControllerError) -> PlanReport {
        let fleet = Fleet(parallel: settings.parallel, progress: progress)
        let managed = topology.managedNodes.filter { only?.contains($0.name) ?? true }
        let looks = try fleet.phase(
            "looking", managed.filter { !$0.isReachedByMail }, name: \.name
        ) {
            node throws(ControllerError) in
            try look(at: node)
        }
        let design = try design(hellos: looks.results.compactMapValues { $0.report?.hello })
        let plans = try fleet.phase(
            "planning", managed.filter { looks.results[$0.name] != nil }, name: \.name
        ) {
            node throws(ControllerError) in
            guard let look = looks.results[node.name], let document = design.documents[node.name]
            else {
                return PlanReport.NodePlan(node: node.name, steps: [], documentOnly: false)
            }
            return try plan(node, look, document)
        }
        var joined: [String: PlanReport.NodePlan] = [:]
        for node in managed where node.isReachedByMail {
            joined[node.name] = try plan(joined: node, design)
        }
        let nodes = managed.map { node -> PlanReport.NodePlan in
            if let plan = plans.results[node.name] ?? joined[node.name] { return plan }
            let error = looks.failures[node.name] ?? plans.failures[node.name]
            return PlanReport.NodePlan(
                node: node.name, steps: [], documentOnly: false,
                error: error?.message ?? "not asked",
                fix: error?.hint)
        }
        // The key of a node that is logged in to is about to be made.
        let managedNames = Set(topology.contactedNodes.map(\.name))
        return PlanReport(
            mesh: topology.mesh.name, nodes: nodes,
            waiting: design.waiting.filter { !managedNames.contains($0.keyless) }.map(\.text),
            former: try state.formerNodes(besides: topology).map(FormerNode.init))
    }

    private func look(at node: Node) throws(ControllerError) -> Look {
        let mesh = topology.mesh.name
        let contact = try NodeContact(node, mesh: mesh, by: carrier, timeout: settings.timeout)
        var look = Look(contact: contact, bootstrap: [], connection: nil, report: nil)
        let hasAgent = contact.probe.isEnrolled && contact.probe.hasSocket
        if contact.probe.digest != program.digest {
            look.bootstrap.append(contact.installStep)
        }
        if !contact.probe.isEnrolled {
            look.bootstrap.append(NodeContact.enrollStep(mesh: mesh))
        }
        guard hasAgent, let connection = try agent(of: contact) else {
            look.bootstrap.append(PlanStep(.startAgent, reason: "no agent answers on the node"))
            return look
        }
        if !look.bootstrap.isEmpty || contact.probe.isStale {
            look.bootstrap.append(PlanStep(.startAgent, reason: "the agent runs another build"))
        }
        if let key = state.knownControllerKey, connection.isPinned(to: key) == false {
            look.bootstrap.append(NodeConnection.pinStep(key))
        }
        progress.finished(node.name, "answered", good: true)
        return Look(
            contact: contact, bootstrap: look.bootstrap, connection: connection,
            report: try connection.observe())
    }

    /// The agent's conversation, or nil where there is none that `up` would not start anew.
    private func agent(of contact: NodeContact) throws(ControllerError) -> NodeConnection? {
        guard let meshID = state.knownMeshID else {
            throw ControllerError(
                .enroll,
                "\(contact.node.name) is in mesh \(topology.mesh.name) already, and this controller "
                    + "has no state of it",
                hint: "name the state that it was set up with: --state DIR")
        }
        do throws(ControllerError) {
            return try contact.agent(meshID: meshID, mesh: topology.mesh.name)
        } catch {
            if error.code == .agent || error.code == .hungUp { return nil }
            throw error
        }
    }

    private func design(hellos: [String: NodeHello]) throws(ControllerError) -> MeshDesign {
        let pairs = Set(topology.managedPeerings())
        let layout = state.layout
        let known = try state.presharedKeyIDs(for: Array(pairs), layout)
        let inputs = try state.inputs(
            for: topology, layout, addresses: try state.previewAddresses(for: topology),
            hellos: hellos,
            presharedKeys: { pair, generation in
                pairs.contains(pair) ? known[generation]?[pair] ?? .unmade : nil
            })
        return MeshDesign(
            topology, inputs, expected: Set(topology.contactedNodes.map(\.name)))
    }

    /// A node that no command logs in to cannot be asked for steps; whether it is to get a new document is known here.
    private func plan(
        joined node: Node, _ design: MeshDesign
    ) throws(ControllerError) -> PlanReport.NodePlan {
        guard try state.hasJoined(node) else {
            return PlanReport.NodePlan(
                node: node.name, steps: [], documentOnly: false, note: JoinedNode.awaits(node))
        }
        guard let document = design.documents[node.name],
            try state.handed(to: node.name)?.digest != ControllerState.digest(of: document)
        else {
            return PlanReport.NodePlan(
                node: node.name, steps: [], documentOnly: false, note: JoinedNode.upToDate)
        }
        return PlanReport.NodePlan(
            node: node.name, steps: [], documentOnly: true, note: JoinedNode.pending)
    }

    private func plan(
        _ node: Node, _ look: Look, _ document: NodeDocument
    ) throws(ControllerError) -> PlanReport.NodePlan {
        var steps = look.bootstrap
        guard let connection = look.connection, let report = look.report else {
            steps += Differ.plan(
                mesh: document.mesh, desired: document.desired, observed: .bare,
                now: Clocks.wall())
            return PlanReport.NodePlan(node: node.name, steps: steps, documentOnly: false)
        }
        steps += try connection.preview(document)
        // A peer that has no key yet is in the plan, but not in the document that `up` would send today.
        var sendable = document
        for index in sendable.interfaces.indices {
            sendable.interfaces[index].peers.removeAll { $0.publicKey == .zero }
        }
        let keyless = Set(
            document.interfaces.flatMap(\.peers).filter { $0.publicKey == .zero }
                .flatMap(\.allowedIPs).map(\.address))
        sendable.names?.entries.removeAll { keyless.contains($0.address) }
        sendable.dropUnkeyedTunnels(expected: [])
        sendable.dropStrayMail(keyless: keyless)
        return PlanReport.NodePlan(
            node: node.name, steps: steps,
            documentOnly: steps.isEmpty && !sendable.wantsTheSame(as: report.document))
    }
}
