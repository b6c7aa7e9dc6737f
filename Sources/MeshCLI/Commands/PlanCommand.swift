import MeshController
import MeshModel

extension CommandTable {
    static let plan = Command(
        "plan",
        summary: "show what up would do, step by step, and why",
        explanation: """
            Asks every node what its kernel says and prints each step that up would take,
            with its reason. Changes nothing. Exit 0: nothing to do; 2: steps are pending;
            1: a node could not be asked.
            """,
        examples: ["meshproof plan", "meshproof --lab plan --json"], options: Option.fleet
    ) { invocation in
        let workspace = try Workspace(invocation)
        let progress = workspace.progress()
        let report = try PlanRun(
            workspace.topology, state: try workspace.state(writing: false),
            carrier: workspace.carrier(),
            program: try NodeProgram.running(), settings: workspace.settings,
            progress: progress
        ).run()
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "plan", to: workspace.output)
        } else {
            PlanView(workspace.output).print(report)
        }
        if !report.isComplete { return ExitCode.failure }
        return report.hasChanges ? ExitCode.pending : ExitCode.fine
    }
}

/// A plan for people.
struct PlanView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: PlanReport) {
        let style = output.style
        let steps = report.nodes.reduce(0) { $0 + $1.steps.count }
        let title =
            report.hasChanges
            ? "\(Human.count(steps, "step")) on \(Human.count(report.nodes.filter { !$0.steps.isEmpty || $0.documentOnly }.count, "node"))"
            : report.isComplete ? "nothing to do" : "no steps found"
        output.line(style.bold("Plan for mesh \(report.mesh): \(title)"))
        for node in report.nodes {
            if let error = node.error {
                output.line()
                output.hang("  \(style.red("✗")) \(style.bold(node.node))  ", error)
                if let fix = node.fix { output.hang("      fix: ", fix) }
            } else if let note = node.note {
                output.line()
                output.hang("  \(style.bold(node.node))  ", note)
            } else if node.documentOnly {
                output.line()
                output.line(
                    "  \(style.bold(node.node))  new settings are noted; nothing changes in the kernel now"
                )
            } else if !node.steps.isEmpty {
                output.line()
                output.line("  \(style.bold(node.node))  \(Human.count(node.steps.count, "step"))")
                for step in node.steps { print(step) }
            }
        }
        for line in report.waiting {
            output.line()
            output.line("  \(style.yellow("waiting")) \(line)")
        }
        if !report.former.isEmpty { output.line() }
        output.former(report.former)
    }

    private func print(_ step: PlanStep) {
        let lines = TextWrap.lines(step.change.summary, width: max(output.width - 8, 40))
        output.line("    \(mark(step.change)) \(lines.joined(separator: "\n        "))")
        for line in TextWrap.lines(step.reason, width: max(output.width - 10, 40)) {
            output.line("        \(output.style.dim(line))")
        }
    }

    private func mark(_ change: Change) -> String {
        switch change {
        case .deleteInterface, .removePeer, .removeAddress, .removeRoute, .removeTunnelServer,
            .closeTunnel:
            output.style.red("-")
        case .updatePeer, .setListenPort, .setMTU, .setLinkGroup, .setPrivateKey, .changeTunnel,
            .pinController:
            output.style.yellow("~")
        default: output.style.green("+")
        }
    }
}
