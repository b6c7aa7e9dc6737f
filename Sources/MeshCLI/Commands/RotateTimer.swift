import LinuxSystem
import MeshController
import MeshModel

/// The systemd units that carry a topology's schedule out, on the controller's machine.
struct RotateTimer {
    private let mesh: String
    private let command: String

    /// For the topology and the state that a command line names.
    init(_ workspace: Workspace) throws {
        mesh = workspace.topology.mesh.name
        var words = [try NodeProgram.running().path, "rotate", "--due", "--quiet"]
        words += ["-t", try Self.absolute(workspace.topologyPath)]
        for option in ["state", "passphrase-file"] {
            guard let value = workspace.invocation.values[option] else { continue }
            words += ["--\(option)", try Self.absolute(value)]
        }
        if let grace = workspace.invocation.values["grace"] { words += ["--grace", grace] }
        command = words.map(Self.quoted).joined(separator: " ")
    }

    /// Both units, with where each goes. *Source:* systemd.timer(5), systemd.service(5).
    var text: String {
        let name = "meshproof-rotate-\(mesh)"
        return """
            # As the user whose SSH keys reach the nodes, below ~/.config/systemd/user/, or as root below /etc/systemd/system/.
            # Then: systemctl [--user] daemon-reload && systemctl [--user] enable --now \(name).timer

            # \(name).service
            [Unit]
            Description=Replace keys of mesh \(mesh) that are due
            After=network-online.target

            [Service]
            Type=oneshot
            ExecStart=\(command)

            # \(name).timer
            [Unit]
            Description=Replace keys of mesh \(mesh) that are due, once a day

            [Timer]
            OnCalendar=daily
            RandomizedDelaySec=1h
            Persistent=true

            [Install]
            WantedBy=timers.target

            """
    }

    private static func absolute(_ path: String) throws -> String {
        if path.hasPrefix("/") { return path }
        guard let folder = Files.workingFolder else {
            throw CommandFailure(
                "the current folder has no name", fix: "name \(path) by its full path",
                code: ExitCode.usage)
        }
        return "\(folder)/\(path)"
    }

    /// As a unit's command line wants it: specifiers and variables doubled, the rest between quotes.
    private static func quoted(_ word: String) -> String {
        let escaped = word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("%", with: "%%").replacing("$", with: "$$")
        return escaped.contains(" ") || escaped != word ? "\"\(escaped)\"" : word
    }
}
