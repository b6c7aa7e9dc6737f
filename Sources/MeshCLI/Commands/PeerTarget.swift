import MeshController
import MeshModel
import TopologyFile

/// A changed topology and the nodes that the change concerns.
struct PeerTarget {
    private let workspace: Workspace
    private let topology: Topology
    private let state: ControllerState
    let concerned: Set<String>

    init(
        _ workspace: Workspace, _ topology: Topology, _ state: ControllerState,
        _ concerned: Set<String>
    ) {
        self.workspace = workspace
        self.topology = topology
        self.state = state
        self.concerned = concerned
    }

    /// Shows what would be done.
    func preview() throws -> Int32 {
        let progress = workspace.progress()
        let report = try PlanRun(
            topology, state: state, carrier: workspace.carrier(), program: NodeProgram.running(),
            settings: workspace.settings, progress: progress, only: concerned
        ).run()
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "plan", to: workspace.output)
        } else {
            PlanView(workspace.output).print(report)
        }
        return report.isComplete ? ExitCode.fine : ExitCode.failure
    }

    /// Brings the nodes concerned, or some of them, to what the topology says.
    ///
    /// - Parameters:
    ///   - present: nodes that join by themselves and are here now.
    ///   - carrier: the way to the nodes, where it is not the usual one.
    func up(
        only names: Set<String>? = nil, present: Set<String> = [], by carrier: (any Carrier)? = nil
    ) throws -> UpReport {
        let progress = workspace.progress()
        defer { progress.end() }
        return try UpRun(
            topology, state: state, carrier: carrier ?? workspace.carrier(),
            program: NodeProgram.running(), settings: workspace.settings, progress: progress,
            only: names ?? concerned, present: present
        ).run()
    }
}

extension Workspace {
    /// Edits the topology; where that cannot be, says all that is wrong, or what to do by hand.
    func edit(_ document: TopologyDocument, _ edits: [TopologyEdit]) throws -> EditedTopology {
        do throws(TopologyEditError) {
            return try document.edited(edits)
        } catch {
            switch error {
            case .invalid(let mistakes):
                for mistake in mistakes { errors.line("  " + Workspace.paint(mistake, style)) }
                throw CommandFailure(
                    "with this change \(document.path) would have "
                        + Human.count(mistakes.count, "mistake") + "; nothing was changed",
                    code: ExitCode.badTopology)
            case .refused(let refusal):
                for line in refusal.byHand { errors.line("  \(line)") }
                throw CommandFailure(
                    "\(document.path):\(refusal.line): cannot be edited safely: \(refusal.reason)",
                    fix: "make the edits above by hand, then meshproof up",
                    code: ExitCode.badTopology)
            }
        }
    }
}
