import MeshController
import MeshModel

extension CommandTable {
    static let down = Command(
        "down",
        summary: "remove everything meshproof made, and prove that nothing is left",
        explanation: """
            On every node: interfaces, routes, keys, files, the agent and its unit. Then looks
            again with nothing but a shell, and lists whatever is left. Addresses stay reserved
            on the controller, so that a later up gives every node its old ones. Nodes that
            have left the topology are taken down with the others. To take single nodes out,
            remove them from the topology, run up, so that their peers drop them, and name
            them with --node; a node that is still in the topology comes back with the next
            up, with new keys.
            """,
        examples: [
            "meshproof down", "meshproof --lab down --yes", "meshproof down --node old-gpu",
            "meshproof down --node burnt-down --forget",
        ],
        options: Option.fleet + [
            Option("node", value: "NAME", help: "only this node; may be given more than once"),
            Option(
                "forget",
                help: "with --node: forget it where it cannot be reached, its machine being gone"),
            Option("yes", "y", help: "do not ask"),
        ]
    ) { invocation in
        let only = invocation.lists["node"] ?? []
        if invocation.has("forget") && only.isEmpty {
            throw CommandFailure(
                "--forget needs the names of the nodes to forget", fix: "add --node NAME",
                code: ExitCode.usage)
        }
        let workspace = try Workspace(invocation)
        let state = try workspace.state(writing: true)
        let progress = workspace.progress()
        let run = DownRun(
            workspace.topology, state: state, carrier: workspace.carrier(),
            settings: workspace.settings, progress: progress, only: only,
            forgetsLost: invocation.has("forget"))
        let names = try run.nodes().map(\.name).joined(separator: ", ")
        try workspace.confirm(
            "This \(invocation.has("forget") ? "removes or forgets" : "removes") mesh \(workspace.topology.mesh.name), with its keys, from \(names). Go on?"
        )
        let report = try run.run()
        progress.end()
        let output = workspace.output
        if workspace.asJSON {
            try JSONOutput.print(report, command: "down", to: output)
            return report.isDone ? ExitCode.fine : ExitCode.failure
        }
        DownView(output).print(report, isWhole: only.isEmpty)
        return report.isDone ? ExitCode.fine : ExitCode.failure
    }
}

/// What `down` did, for people.
struct DownView {
    let output: Output

    init(_ output: Output) { self.output = output }

    /// - Parameter isWhole: whether it was about the whole mesh, and not about some nodes.
    func print(_ report: DownReport, isWhole: Bool) {
        let style = output.style
        let removed = report.nodes.reduce(0) { $0 + $1.removed.count }
        let cleaned = report.nodes.filter { !$0.forgotten }
        let gone =
            isWhole
            ? "Mesh \(report.mesh) is gone"
            : "\(cleaned.map(\.node).joined(separator: ", ")) left mesh \(report.mesh)"
        let forgotten = report.nodes.filter(\.forgotten).map(\.node).joined(separator: ", ")
        let title =
            !report.isDone
            ? "Mesh \(report.mesh) is not wholly gone"
            : cleaned.isEmpty
                ? "Forgot \(forgotten)"
                : "\(gone): \(Human.count(removed, "thing")) removed from \(Human.count(cleaned.count, "node")), nothing left"
        output.line(style.bold(title))
        for node in report.nodes where node.error != nil || !node.left.isEmpty {
            let text = node.error ?? "still there: \(node.left.joined(separator: ", "))"
            let mark = node.forgotten ? style.yellow("?") : style.red("✗")
            output.hang("  \(mark) \(style.bold(node.node))  ", text)
            if node.forgotten {
                output.hang(
                    "      ",
                    "forgotten, not cleaned: whoever starts that machine again finds its keys there; "
                        + "no other node takes them once up has run")
            } else if let fix = node.fix {
                output.hang("      fix: ", fix)
            }
        }
    }
}
