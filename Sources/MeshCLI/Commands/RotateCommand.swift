import MeshController
import MeshModel

extension CommandTable {
    static let rotate = Command(
        "rotate",
        summary: "replace the mesh's keys without losing a packet",
        explanation: """
            Every node makes new keys; they stand beside the old ones, shake hands, and take
            the traffic over; then the old ones are taken away and wiped, and every node is
            searched for what is left of them. WireGuard keys, preshared keys and the tunnels'
            SSH keys are all replaced, or those that are named. Each step is written down: a
            rotation that was cut short anywhere goes on with --resume, or back with --abort,
            until the old keys are being wiped. The new set's UDP port (the mesh's port and
            the next, in turn) must be open at the endpoints. A node that cannot be reached
            keeps it from beginning; --force-retire goes on without it, and cuts it off until
            up brings it back. Exit 1: it stopped, or something is left.
            """,
        examples: [
            "meshproof rotate", "meshproof --lab rotate --wireguard", "meshproof rotate --resume",
            "meshproof rotate --force-retire stolen-laptop --yes",
        ],
        options: Option.fleet + [
            Option("wireguard", help: "WireGuard keys and preshared keys only"),
            Option("ssh", help: "the tunnels' SSH keys only"),
            Option(
                "drain", value: "SECONDS",
                help: "how long connections through former tunnel sessions may go on (default 60)"),
            Option(
                "window", value: "SECONDS",
                help: "after which nodes take an unconfirmed change back (default 60)"),
            Option("due", help: "only keys that are older than the topology's `rotate:` allows"),
            Option("timer", help: "print systemd units that run rotate --due once a day"),
            Option("resume", help: "go on with the rotation that is open"),
            Option("abort", help: "take the rotation that is open back"),
            Option(
                "force-retire", value: "NODE",
                help: "go on without this node, and cut it off; may be given more than once"),
            Option("yes", "y", help: "do not ask"),
        ]
    ) { invocation in
        let wish = try wish(invocation)
        if invocation.has("timer") {
            let workspace = try Workspace(invocation, entersLab: false)
            workspace.output.write(try RotateTimer(workspace).text)
            return ExitCode.fine
        }
        let workspace = try Workspace(invocation)
        let without = invocation.lists["force-retire"] ?? []
        let state = try workspace.state(writing: true)
        if !without.isEmpty {
            try workspace.confirm(
                "This cuts \(without.joined(separator: ", ")) off from mesh \(workspace.topology.mesh.name) until meshproof up brings it back. Go on?"
            )
        }
        let progress = workspace.progress()
        let report = try RotateRun(
            workspace.topology, state: state, carrier: workspace.carrier(),
            program: try NodeProgram.running(), settings: workspace.settings, progress: progress
        ).run(wish, without: without, command: "rotate")
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "rotate", to: workspace.output)
        } else {
            RotateView(workspace.output).print(report)
        }
        return report.isGood ? ExitCode.fine : ExitCode.failure
    }

    private static func wish(_ invocation: Invocation) throws -> RotateRun.Wish {
        let kinds = ["wireguard", "ssh"].filter(invocation.has)
        let others = ["resume", "abort", "due", "timer"].filter(invocation.has)
        if others.count > 1 || !others.isEmpty && !kinds.isEmpty {
            throw CommandFailure(
                "--\(others[0]) says by itself which keys it is about",
                fix: "give it alone", code: ExitCode.usage)
        }
        if others == ["resume"] { return .resume }
        if others == ["abort"] { return .abort }
        let drain = try invocation.seconds("drain", 60, in: 0...600)
        if others == ["due"] { return .beginDue(drain: drain) }
        return .begin(
            wireguard: kinds.isEmpty || invocation.has("wireguard"),
            ssh: kinds.isEmpty || invocation.has("ssh"), drain: drain)
    }
}

/// What `rotate` did, for people.
struct RotateView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: RotateReport) {
        let style = output.style
        let seconds = "\(Human.tenth(report.seconds)) s"
        switch report.outcome {
        case .rotated:
            output.line(
                style.bold(
                    "Mesh \(report.mesh) has new keys (\(seconds)): nothing is left of the old"))
        case .takenBack:
            output.line(
                style.bold(
                    "Mesh \(report.mesh) keeps its keys (\(seconds)): nothing is left of the new"))
        case .notDue:
            output.line(style.bold("Mesh \(report.mesh): no key is due for rotation"))
            return
        case .stopped:
            let step = report.stoppedAt?.rawValue ?? "its beginning"
            output.line(style.bold("The rotation of mesh \(report.mesh) stopped at \(step)"))
            output.hang("  \(style.red("✗")) ", report.error ?? "")
            if let fix = report.fix { output.hang("      fix: ", fix) }
            output.line("  then: meshproof rotate --resume, or meshproof rotate --abort")
        }
        for name in report.without {
            output.line(
                "  \(style.yellow("!")) \(name) is cut off until meshproof up brings it back")
        }
        for pair in report.silent {
            output.line("  \(style.yellow("!")) \(pair) had no handshake before, and has none now")
        }
        for note in report.notes { output.hang("  \(style.yellow("!")) ", note) }
        if report.isGood { output.line("  next: meshproof verify") }
    }
}
