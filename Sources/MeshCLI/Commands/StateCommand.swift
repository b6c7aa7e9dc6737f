import LinuxSystem
import MeshController
import MeshModel
import Secrets

extension CommandTable {
    static let state = Command(
        "state", operands: "backup FILE | restore FILE | rekey", operandCount: 1...2,
        summary: "back up, restore and re-lock what the controller knows",
        explanation: """
            The controller's state holds the mesh's identity, its addresses, sealed secrets and
            receipts. A key file or a passphrase locks the secrets.

              backup FILE   the state and the key to it, sealed into one file, which a
                            passphrase opens, or --key. Works while another meshproof does
              restore FILE  makes the state anew from such a file, here or elsewhere. One
                            that is there is an error; --force keeps it beside
              rekey         makes a new key, locks the secrets with it, and destroys the old
                            one; --to changes from key file to passphrase, or back
              rekey --controller
                            makes a new signing key for the controller, cross-signed with
                            the old one, and has every node pin it; one that is away takes
                            it with the next up

            meshproof rotate --kek and rotate --controller do the same as rekey.

            Whoever can open a backup has the mesh's secrets. Nodes keep their own private
            keys: no backup holds them, and a restored controller needs none of them.
            """,
        examples: [
            "meshproof state backup homelab.mpbk",
            "meshproof state backup homelab.mpbk --key /media/stick/backup.key",
            "meshproof state restore homelab.mpbk",
            "meshproof state rekey",
            "meshproof state rekey --to passphrase",
            "meshproof state rekey --controller",
        ],
        options: Option.fleet + [
            Option("controller", help: "rekey: change the controller's signing key instead"),
            Option(
                "backup-passphrase-file", value: "FILE",
                help: "backup, restore: the backup's passphrase is in FILE"),
            Option(
                "key", value: "FILE",
                help:
                    "backup, restore: a key file opens the backup; backup makes it where there is none"
            ),
            Option("force", help: "restore: keep what is there beside, under another name"),
            Option("to", value: "KIND", help: "rekey: key-file or passphrase (default: as it is)"),
            Option(
                "new-passphrase-file", value: "FILE", help: "rekey: the new passphrase is in FILE"),
        ]
    ) { invocation in
        let desk = try StateDesk(invocation)
        let operands = invocation.operands
        switch (operands.first, operands.count) {
        case ("backup", 2): return try desk.backup(operands[1])
        case ("restore", 2): return try desk.restore(operands[1])
        case ("rekey", 1): return try desk.rekey()
        case ("backup", _), ("restore", _):
            throw CommandFailure(
                "which file?", fix: "meshproof state \(operands[0]) FILE", code: ExitCode.usage)
        case ("rekey", _):
            throw CommandFailure(
                "state rekey takes no file", fix: "meshproof state rekey", code: ExitCode.usage)
        default:
            let near = NearestName.find(operands[0], among: ["backup", "restore", "rekey"])
            throw CommandFailure(
                "there is no `state \(operands[0])`",
                fix: near.map { "did you mean \($0)?" }
                    ?? "meshproof state backup, restore or rekey",
                code: ExitCode.usage)
        }
    }
}

/// The controller's state as a whole, for a command. Talks to no node.
private struct StateDesk {
    let invocation: Invocation
    let workspace: Workspace
    let folders: StateFolders

    init(_ invocation: Invocation) throws {
        self.invocation = invocation
        // Only the signing key is a matter of nodes, too.
        workspace = try Workspace(invocation, entersLab: invocation.has("controller"))
        folders = Workspace.folders(mesh: mesh(workspace), invocation)
    }

    func backup(_ file: String) throws -> Int32 {
        try refuse("force", "to", "new-passphrase-file", "controller", for: "backup")
        let lock = try backupLock(isNew: true)
        let report = try StateBackup(
            folders, mesh: mesh(workspace), passphraseFile: invocation.values["passphrase-file"]
        ).write(to: file, lock: lock, now: Clocks.wall())
        if workspace.asJSON {
            try JSONOutput.print(report, command: "state backup", to: workspace.output)
            return ExitCode.fine
        }
        let output = workspace.output
        output.line(
            output.style.bold("Backed up mesh \(report.mesh)")
                + " to \(report.file): \(Human.count(report.entries, "record")), "
                + "\(Human.count(report.secrets, "secret")), \(report.size) bytes")
        output.hang(
            "  ",
            report.lock == "key"
                ? "Its key file opens it, and nothing else does: keep the two apart, and both off this machine."
                : "Its passphrase opens it, and nothing else does: keep it off this machine.")
        return ExitCode.fine
    }

    func restore(_ file: String) throws -> Int32 {
        try refuse("to", "new-passphrase-file", "passphrase-file", "controller", for: "restore")
        let bytes: [UInt8]
        do { bytes = try Files.read(file, limit: 1 << 30) } catch {
            throw CommandFailure("\(error)", fix: "name the file that state backup wrote")
        }
        // Before anybody is asked for a passphrase that opens nothing.
        let kind: SealedFile.Lock
        do { kind = try SealedFile.lock(of: bytes) } catch {
            throw CommandFailure("\(file) \(error.message)", fix: error.hint)
        }
        if kind == .key && !invocation.has("key") {
            throw CommandFailure(
                "\(file) is locked with a key file", fix: "give it with --key FILE",
                code: ExitCode.usage)
        }
        if kind == .passphrase && invocation.has("key") {
            throw CommandFailure(
                "\(file) is locked with a passphrase", fix: "leave --key out", code: ExitCode.usage)
        }
        let report = try StateRestore(
            folders, mesh: mesh(workspace), replaces: invocation.has("force")
        ).run(bytes, lock: try backupLock(isNew: false))
        if workspace.asJSON {
            try JSONOutput.print(report, command: "state restore", to: workspace.output)
            return ExitCode.fine
        }
        let output = workspace.output
        output.line(
            output.style.bold("Restored mesh \(report.mesh)")
                + " as of \(Timestamp.text(report.madeAt)): \(Human.count(report.entries, "record")), "
                + "\(Human.count(report.secrets, "secret"))")
        output.line("  state     \(report.state)")
        output.line("  locked by \(report.keyFile ?? "its passphrase, as before")")
        for path in report.kept { output.line("  kept      \(path)") }
        output.hang("  ", "Next: meshproof status, then meshproof up.")
        return ExitCode.fine
    }

    func rekey() throws -> Int32 {
        try refuse("force", "key", "backup-passphrase-file", for: "rekey")
        let desk = RekeyDesk(workspace, command: "state rekey")
        if invocation.has("controller") {
            try refuse("to", "new-passphrase-file", for: "rekey --controller")
            return try desk.changeControllerKey()
        }
        return try desk.changeLock()
    }

    /// What opens the backup, from `--key`, a passphrase's file or the terminal.
    private func backupLock(isNew: Bool) throws -> StateBackup.Lock {
        let (keyFile, passphraseFile) = (
            invocation.values["key"], invocation.values["backup-passphrase-file"]
        )
        if let keyFile {
            if passphraseFile != nil {
                throw CommandFailure(
                    "--key and --backup-passphrase-file exclude each other", code: ExitCode.usage)
            }
            do {
                let opened = try KeyFile.open(
                    keyFile, stateFolder: folders.state, mayCreate: isNew)
                if opened.isNew { workspace.errors.line("  Made the key file \(keyFile).") }
                return .key(opened.key)
            } catch {
                let isMissing = error.code == .keyFileMissing
                throw CommandFailure(
                    isMissing
                        ? "there is no key file \(keyFile)" : "\(error.subject) \(error.message)",
                    fix: isMissing ? "name the key file that the backup was made with" : error.hint)
            }
        }
        let option = "--backup-passphrase-file"
        return .passphrase(
            isNew
                ? try PassphraseInput.new(passphraseFile, purpose: "the backup", option: option)
                : try PassphraseInput.read(passphraseFile, purpose: "the backup", option: option))
    }

    private func refuse(_ options: String..., for name: String) throws {
        for option in options where invocation.has(option) {
            throw CommandFailure(
                "state \(name) takes no --\(option)", fix: "meshproof state --help",
                code: ExitCode.usage)
        }
    }
}

private func mesh(_ workspace: Workspace) -> String { workspace.topology.mesh.name }
