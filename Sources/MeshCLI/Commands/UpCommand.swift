import MeshController
import MeshModel

extension CommandTable {
    static let up = Command(
        "up",
        summary: "bring every node to what the topology says",
        explanation: """
            Connects to all nodes at once, puts this program there, lets each node make its
            own keys, and gives it its part of the mesh. A change is staged everywhere, then
            applied, and each node takes it back by itself unless this program can confirm it
            over a new connection: a bad topology cannot lock you out. What is right already
            is left alone; a node that fails is named, and up can simply be run again.
            The change of a node that is away waits with its peers, sealed: it takes it by
            itself once it is back.
            """,
        examples: ["meshproof up", "meshproof --lab up", "meshproof up --parallel 8 --window 120"],
        options: Option.fleet + [
            Option(
                "window", value: "SECONDS",
                help: "after which nodes take an unconfirmed change back (default 60)")
        ]
    ) { invocation in
        let workspace = try Workspace(invocation)
        let progress = workspace.progress()
        let state = try workspace.state(writing: true)
        var report = try UpRun(
            workspace.topology, state: state, carrier: workspace.carrier(),
            program: try NodeProgram.running(), settings: workspace.settings,
            progress: progress
        ).run()
        if report.isGood && state.openRotation != nil {
            // Who has to fetch new keys may have done so since somebody last looked.
            report.rotation = try workspace.rotateRun(state, NoProgress(), waits: false).run(
                .resume, command: "up")
        }
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "up", to: workspace.output)
        } else {
            UpView(workspace.output).print(report)
        }
        let isGood = report.isGood && report.rotation?.isGood != false
        return isGood ? ExitCode.fine : ExitCode.failure
    }
}

/// What `up` did, for people.
struct UpView {
    let output: Output

    init(_ output: Output) { self.output = output }

    /// - Parameter again: what goes on from here where something is left to do.
    func print(_ report: UpReport, again: String = "meshproof up") {
        let style = output.style
        let bad = report.badNodes
        let seconds = "\(Human.tenth(report.seconds)) s"
        if !bad.isEmpty {
            output.line(
                style.bold(
                    "Mesh \(report.mesh): \(Human.count(bad.count, "node")) of \(report.nodes.count) not as wanted (\(seconds))"
                ))
        } else if !report.nodes.contains(where: { $0.state == .changed || $0.state == .mailed }) {
            output.line(
                style.bold("Mesh \(report.mesh) is as it should be: no changes made (\(seconds))"))
        } else {
            let changed = report.nodes.filter { $0.state == .changed }.count
            output.line(
                style.bold(
                    "Mesh \(report.mesh) stands: \(Human.count(report.stepCount, "step")) on \(Human.count(changed, "node")) in \(seconds)"
                ))
            if report.peerings > 0 {
                output.line(
                    "  \(style.mark(report.handshakes == report.peerings)) \(report.handshakes) of \(report.peerings) peerings have shaken hands"
                )
            }
        }
        for node in report.nodes where node.state == .mailed || node.state == .awaitsJoin {
            output.hang(
                "  \(style.yellow("waiting")) \(style.bold(node.node))  ",
                node.state == .mailed
                    ? "revision \(node.revision) waits for it at "
                        + "\(node.mailboxes.joined(separator: ", ")) (connect: join)"
                    : node.error ?? "")
        }
        for node in bad {
            let mark =
                node.state == .failed
                ? style.red("✗") : style.yellow(node.state == .away ? "…" : "↺")
            output.hang("  \(mark) \(style.bold(node.node))  ", node.error ?? "")
            if let fix = node.fix {
                output.hang(node.state == .away ? "      " : "      fix: ", fix)
            }
        }
        let tunnels = report.tunnels.filter { $0.state == .up }.count
        if !report.tunnels.isEmpty && report.nodes.contains(where: { $0.state == .changed })
            || tunnels < report.tunnels.count
        {
            let all = report.tunnels.count
            output.line(
                "  \(style.mark(tunnels == all)) \(tunnels) of \(Human.count(all, "tunnel")) up")
            TunnelView(output).problems(report.tunnels)
        }
        for line in report.waiting { output.line("  \(style.yellow("waiting")) \(line)") }
        output.former(report.former)
        if let rotation = report.rotation {
            if rotation.outcome == .grace {
                for notice in rotation.grace {
                    output.hang("  \(style.yellow("!")) ", notice.message)
                }
            } else {
                RotateView(output).print(rotation)
            }
        }
        if report.isGood {
            if report.rotation.map({ $0.outcome == .grace }) ?? true {
                output.line("  next: meshproof status")
            }
        } else if !bad.isEmpty && bad.allSatisfy({ $0.state == .away }) {
            output.line("  next: meshproof status says when it was fetched")
        } else {
            output.line("  then: \(again), again")
        }
    }
}
