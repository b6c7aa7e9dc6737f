import LinuxSystem
public import MeshModel
import NodeProtocol
import Synchronization

/// Asks every node how it is; keeps its connections for the next time it is asked.
public final class StatusRun: Sendable {
    private let topology: Topology
    private let carrier: any Carrier
    private let state: ControllerState
    private let settings: RunSettings
    private let fleet: Fleet
    private let open = Mutex<[String: NodeConnection]>([:])

    /// Gathers what a run needs; reading the state is enough.
    public init(
        _ topology: Topology, state: ControllerState, carrier: any Carrier, settings: RunSettings,
        progress: any Progress
    ) {
        self.topology = topology
        self.carrier = carrier
        self.settings = settings
        self.state = state
        fleet = Fleet(parallel: settings.parallel, progress: progress)
    }

    /// One look at the whole mesh.
    public func look() throws(ControllerError) -> StatusReport {
        let asked = try fleet.phase("asking", topology.contactedNodes, name: \.name) {
            node throws(ControllerError) in
            try self.ask(node)
        }
        // Somebody may be rotating keys while this looks on.
        try state.rereadRotation()
        var report = StatusReport.make(
            topology, reports: asked.results,
            failures: asked.failures.mapValues { ($0.message, $0.hint) },
            former: try state.formerNodes(besides: topology), now: Clocks.wall())
        for index in report.nodes.indices where report.nodes[index].joined {
            guard let node = topology.node(report.nodes[index].node) else { continue }
            report.nodes[index].note =
                try state.hasJoined(node) ? JoinedNode.notAsked : JoinedNode.awaits(node)
        }
        report.keys = state.generations
        if let key = state.knownControllerKey {
            report.controllerKey = key
            report.unpinned = topology.managedNodes.map(\.name).filter {
                asked.results[$0].map { $0.hello.controllerKey.map { $0 != key } ?? false } ?? false
            }
        }
        report.rotateEvery = topology.mesh.rotation?.seconds
        if let open = state.openRotation {
            report.rotation = StatusReport.RotationStatus(
                plan: open.plan, step: open.progress.latest, isBack: open.progress.isBack,
                canGoBack: open.progress.isBack || open.progress.canGoBack(open.plan),
                grace: try state.graceNotices())
        }
        return report
    }

    /// Says something else over the connection that a look has left open.
    func withConnection(
        to name: String, _ body: (NodeConnection) throws(ControllerError) -> Void
    ) throws(ControllerError) {
        guard let connection = open.withLock({ $0[name] }) else {
            throw ControllerError(
                .unreachable, "\(name) could not be asked", hint: "meshproof status says why")
        }
        try body(connection)
    }

    private func ask(_ node: Node) throws(ControllerError) -> NodeReport {
        if let connection = open.withLock({ $0[node.name] }) {
            do throws(ControllerError) { return try connection.observe() } catch {
                // The connection has died since the last look; a new one tells whether the node has.
                _ = open.withLock { $0.removeValue(forKey: node.name) }
            }
        }
        let contact = try NodeContact(
            node, mesh: topology.mesh.name, by: carrier, timeout: settings.timeout)
        if !contact.probe.isEnrolled {
            throw ControllerError(
                .enroll, "\(node.name) is not part of mesh \(topology.mesh.name) yet",
                hint: "run meshproof up")
        }
        let connection = try contact.agent(meshID: state.knownMeshID, mesh: topology.mesh.name)
        let report = try connection.observe()
        open.withLock { $0[node.name] = connection }
        return report
    }
}
