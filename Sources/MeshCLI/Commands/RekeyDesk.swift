import MeshController
import MeshModel

/// Changes the keys of the controller itself, for `state rekey` and `rotate`: the one that locks its secrets, and the
/// one that it signs with.
struct RekeyDesk {
    private let workspace: Workspace
    /// What the JSON says was run.
    private let command: String
    private let folders: StateFolders

    init(_ workspace: Workspace, command: String) {
        self.workspace = workspace
        self.command = command
        folders = Workspace.folders(mesh: workspace.topology.mesh.name, workspace.invocation)
    }

    /// The options that say what is to lock the state.
    static let lockOptions = ["to", "new-passphrase-file"]

    /// A new key-encryption key: data keys are wrapped anew, and nothing else.
    func changeLock() throws -> Int32 {
        let invocation = workspace.invocation
        let rekey = StateRekey(
            folders, mesh: workspace.topology.mesh.name,
            passphraseFile: invocation.values["passphrase-file"])
        let newFile = invocation.values["new-passphrase-file"]
        let isPassphrase: Bool
        switch invocation.values["to"] {
        case "key-file": isPassphrase = false
        case "passphrase": isPassphrase = true
        case let other?:
            throw CommandFailure(
                "--to \(other) is no kind of lock", fix: "key-file or passphrase",
                code: ExitCode.usage)
        case nil: isPassphrase = try newFile != nil || rekey.isLockedByPassphrase()
        }
        if !isPassphrase && newFile != nil {
            throw CommandFailure(
                "--new-passphrase-file goes with --to passphrase", code: ExitCode.usage)
        }
        let report = try rekey.run(
            to: isPassphrase
                ? .passphrase(
                    try PassphraseInput.new(
                        newFile, purpose: "the controller's state", option: "--new-passphrase-file")
                )
                : .keyFile)
        if workspace.asJSON {
            try JSONOutput.print(report, command: command, to: workspace.output)
            return ExitCode.fine
        }
        let output = workspace.output
        output.line(
            output.style.bold("Mesh \(report.mesh) has a new key")
                + ": \(Human.count(report.secrets, "secret")) locked with \(report.keyFile ?? "the new passphrase")"
        )
        for note in report.notes { output.hang("  ", note) }
        return ExitCode.fine
    }

    /// A new signing key, which every node that answers pins. Needs the lab to be entered.
    func changeControllerKey() throws -> Int32 {
        let progress = workspace.progress()
        let report = try ControllerKeyRun(
            workspace.topology, folders: folders,
            passphraseFile: workspace.invocation.values["passphrase-file"],
            carrier: workspace.carrier(), settings: workspace.settings, progress: progress
        ).run()
        progress.end()
        let output = workspace.output
        if workspace.asJSON {
            try JSONOutput.print(report, command: command, to: output)
            return report.isDone ? ExitCode.fine : ExitCode.failure
        }
        let having = report.nodes.filter(\.hasKey).count
        output.line(
            output.style.bold("The controller of mesh \(report.mesh) signs with a new key")
                + ": \(having) of \(Human.count(report.nodes.count, "node")) have it")
        for node in report.nodes where !node.hasKey {
            output.hang(
                "  \(output.style.yellow("?")) \(output.style.bold(node.node))  ",
                "\(node.error ?? "did not answer"); it takes the key with the next up")
        }
        output.hang(
            "  ",
            "Make a backup now: nodes refuse a controller with the old key. For those who check receipts: meshproof receipt key --all."
        )
        return report.isDone ? ExitCode.fine : ExitCode.failure
    }
}
