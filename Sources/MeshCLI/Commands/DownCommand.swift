import MeshController
import MeshModel

extension CommandTable {
    static let down = Command(
        "down",
        summary: "remove everything meshproof made, and prove that nothing is left",
        explanation: """
            On every node: interfaces, routes, keys, files, the agent and its unit. Then looks
            again with nothing but a shell, and lists whatever is left. Addresses stay reserved
            on the controller, so that a later up gives every node its old ones.
            """,
        examples: ["meshproof down", "meshproof --lab down --yes"],
        options: Option.fleet + [Option("yes", "y", help: "do not ask")]
    ) { invocation in
        let workspace = try Workspace(invocation)
        let state = try workspace.state(writing: true)
        let progress = workspace.progress()
        let run = DownRun(
            workspace.topology, state: state, carrier: workspace.carrier(),
            settings: workspace.settings, progress: progress)
        let names = try run.nodes().map(\.name).joined(separator: ", ")
        try workspace.confirm(
            "This removes mesh \(workspace.topology.mesh.name), with its keys, from \(names). Go on?"
        )
        let report = try run.run()
        progress.end()
        let output = workspace.output
        if workspace.asJSON {
            try JSONOutput.print(report, command: "down", to: output)
            return report.isClean ? ExitCode.fine : ExitCode.failure
        }
        let removed = report.nodes.reduce(0) { $0 + $1.removed.count }
        output.line(
            workspace.style.bold(
                report.isClean
                    ? "Mesh \(report.mesh) is gone: \(Human.count(removed, "thing")) removed from \(Human.count(report.nodes.count, "node")), nothing left"
                    : "Mesh \(report.mesh) is not wholly gone"))
        for node in report.nodes where node.error != nil || !node.left.isEmpty {
            let text = node.error ?? "still there: \(node.left.joined(separator: ", "))"
            output.hang("  \(workspace.style.red("✗")) \(workspace.style.bold(node.node))  ", text)
            if let fix = node.fix { output.hang("      fix: ", fix) }
        }
        return report.isClean ? ExitCode.fine : ExitCode.failure
    }
}
