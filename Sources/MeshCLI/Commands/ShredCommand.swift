import Glibc
import MeshController
import MeshModel

extension CommandTable {
    static let shred = Command(
        "shred",
        summary: "destroy the mesh: every key, on controller and nodes",
        explanation: """
            Overwrites and removes the key file, the controller's sealed secrets and its state,
            and takes the mesh down on every node as down does, with all keys there. There is no
            way back. The mesh's name must be typed, or given with --yes --mesh NAME.

            The controller's own part comes first and waits for no node. A node that cannot be
            reached is named, with what to do on that machine. Neither the key nor a passphrase
            is needed. What overwriting does not promise is in docs/state.md: on flash and on
            file systems that copy on write, old blocks may outlive it.
            """,
        examples: ["meshproof shred", "meshproof --lab shred --yes --mesh homelab"],
        options: Option.fleet.filter { $0.name != "passphrase-file" } + [
            Option("mesh", value: "NAME", help: "with --yes: the name of the mesh to destroy"),
            Option("yes", "y", help: "do not ask; needs --mesh"),
        ]
    ) { invocation in
        let workspace = try Workspace(invocation)
        let mesh = workspace.topology.mesh.name
        let progress = workspace.progress()
        let run = ShredRun(
            workspace.topology, folders: Workspace.folders(mesh: mesh, invocation),
            carrier: workspace.carrier(), settings: workspace.settings, progress: progress)
        try confirmShred(workspace, nodes: try run.nodes().map(\.name))
        let report = try run.run()
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "shred", to: workspace.output)
        } else {
            ShredView(workspace.output).print(report)
        }
        return report.isDone ? ExitCode.fine : ExitCode.failure
    }

    /// *Throws:* ``CommandFailure`` unless the mesh's name was given or is typed now.
    private static func confirmShred(_ workspace: Workspace, nodes: [String]) throws {
        let mesh = workspace.topology.mesh.name
        let given = workspace.invocation.values["mesh"]
        if let given, given != mesh {
            throw CommandFailure(
                "--mesh \(given), but this topology is mesh \(mesh)'s",
                fix: "name the right topology with -t", code: ExitCode.usage)
        }
        if workspace.invocation.has("yes") {
            if given != nil { return }
            throw CommandFailure(
                "--yes destroys nothing by itself", fix: "add --mesh \(mesh)", code: ExitCode.usage)
        }
        guard isatty(0) == 1 else {
            throw CommandFailure(
                "shred destroys mesh \(mesh), and nobody is there to ask.",
                fix: "add --yes --mesh \(mesh)", code: ExitCode.usage)
        }
        let list = nodes.isEmpty ? "no node" : nodes.joined(separator: ", ")
        workspace.errors.write(
            "This destroys mesh \(mesh) for good: the controller's keys and state, and the keys on \(list). Type the mesh's name to go on: "
        )
        if (readLine() ?? "") != mesh {
            throw CommandFailure("nothing was done", code: ExitCode.failure)
        }
    }
}

/// What `shred` did, for people.
struct ShredView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: ShredRun.Report) {
        let style = output.style
        output.line(
            style.bold(
                report.isDone
                    ? "Mesh \(report.mesh) is destroyed"
                    : "Mesh \(report.mesh) is not wholly destroyed"))
        let key = report.keyFile ? "the key file, " : ""
        output.line(
            "  controller  \(key)\(Human.count(report.secrets, "sealed secret")) and \(Human.count(report.files.count, "file")) overwritten and removed"
        )
        let clean = report.nodes.filter { $0.error == nil && $0.left.isEmpty }
        if !clean.isEmpty {
            output.hang("  nodes       ", "clean: \(clean.map(\.node).joined(separator: ", "))")
        }
        for node in report.nodes where node.error != nil || !node.left.isEmpty {
            let text = node.error ?? "still there: \(node.left.joined(separator: ", "))"
            output.hang("  \(style.red("✗")) \(style.bold(node.node))  ", text)
            if let fix = node.fix { output.hang("      fix: ", fix) }
        }
        for file in report.foreign {
            output.hang("  \(style.red("✗")) ", "not ours, left: \(file)")
        }
        for line in report.remains { output.hang("  \(style.yellow("!")) ", line) }
    }
}
