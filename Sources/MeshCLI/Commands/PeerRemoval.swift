import LinuxSystem
import MeshController
import MeshModel
import TopologyFile

/// `peer rm`: its peers drop the node first, so that it is shut out even where it cannot be reached.
struct PeerRemoval {
    private let name: String
    private let invocation: Invocation
    private let workspace: Workspace
    private let patience: Double

    /// What is printed as JSON.
    private struct Report: Encodable {
        let peer: String
        let up: UpReport
        /// Nodes that may still trust the removed key.
        let notConverged: [String]
        /// What became of the node itself; nil for an unmanaged one.
        let down: DownReport?
    }

    init(_ name: String, _ invocation: Invocation) throws {
        self.name = name
        self.invocation = invocation
        patience = try invocation.seconds("wait", 0, in: 0...86_400)
        workspace = try Workspace(invocation)
    }

    func run() throws -> Int32 {
        let isTrial = invocation.has("dry-run")
        let state = try workspace.state(writing: !isTrial)
        let document = try TopologyDocument(path: workspace.topologyPath)
        let edits = try PeerEdits.remove(
            name, cascades: invocation.has("cascade"), in: document.topology)
        let edited = try workspace.edit(document, edits)
        for line in document.difference(to: edited) { workspace.errors.line("  \(line)") }
        let concerned = try state.concerned(from: document.topology, to: edited.topology)
        let target = PeerTarget(workspace, edited.topology, state, concerned)
        if isTrial { return try target.preview() }

        let isManaged = document.topology.node(name)?.managed ?? false
        let told =
            concerned.isEmpty ? "no other node" : concerned.sorted().joined(separator: ", ")
        try workspace.confirm(
            "This takes \(name) out of the mesh: \(told) will be told"
                + (isManaged ? ", and \(name) itself cleaned" : "") + ". Go on?")
        try document.replace(with: edited)
        try state.dropKey(of: name)
        let report = try converge(target)
        let down = isManaged ? try clean(edited.topology, state) : nil
        return try finish(report, down)
    }

    /// Tells the nodes concerned, and those that are away again until there is no time left.
    private func converge(_ target: PeerTarget) throws -> UpReport {
        let deadline = Clocks.monotonic() + patience
        var report = try target.up()
        while true {
            let away = Set(report.badNodes.map(\.node))
            if away.isEmpty || Clocks.monotonic() + 2 > deadline { return report }
            workspace.errors.line("  waiting for \(away.sorted().joined(separator: ", "))")
            Clocks.sleep(2)
            let again = try target.up(only: away)
            let fresh = Dictionary(
                again.nodes.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
            report.nodes = report.nodes.map { fresh[$0.node] ?? $0 }
        }
    }

    private func clean(_ topology: Topology, _ state: ControllerState) throws -> DownReport? {
        // A node that was never brought up is not known, and there is nothing to clean.
        guard try state.formerNodes(besides: topology).contains(where: { $0.name == name }) else {
            return nil
        }
        let progress = workspace.progress()
        defer { progress.end() }
        return try DownRun(
            topology, state: state, carrier: workspace.carrier(), settings: workspace.settings,
            progress: progress, only: [name], forgetsLost: invocation.has("forget")
        ).run()
    }

    private func finish(_ report: UpReport, _ down: DownReport?) throws -> Int32 {
        let away = report.badNodes
        let waiting = away + report.nodes.filter { $0.state == .mailed }
        let isDone = away.isEmpty
        if workspace.asJSON {
            try JSONOutput.print(
                Report(peer: name, up: report, notConverged: waiting.map(\.node), down: down),
                command: "peer rm", to: workspace.output)
            return isDone ? ExitCode.fine : ExitCode.failure
        }
        let output = workspace.output
        let style = output.style
        let told = report.nodes.count { $0.state == .unchanged || $0.state == .changed }
        output.line(
            style.bold("\(name) is out of the mesh \(report.mesh)")
                + ": \(Human.count(told, "node")) told, its key refused there")
        for node in away {
            output.hang(
                "  \(style.red("✗")) \(style.bold(node.node))  ",
                "has not converged and may still trust it: \(node.error ?? "no answer")")
            if node.state == .away, let fix = node.fix { output.hang("      ", fix) }
        }
        for node in report.nodes where node.state == .mailed {
            output.hang(
                "  \(style.yellow("waiting")) \(style.bold(node.node))  ",
                "may still trust it until it fetches revision \(node.revision), which waits at "
                    + node.mailboxes.joined(separator: ", "))
        }
        if away.contains(where: { $0.state != .away }) {
            output.line("  then: meshproof up, once they are back")
        } else if !isDone {
            output.line("  next: meshproof status says when it was fetched")
        }
        for node in down?.nodes ?? [] {
            if node.forgotten {
                output.line("  \(name) could not be reached, and is forgotten")
            } else if let error = node.error {
                output.hang("  \(style.yellow("?")) \(name) itself is not clean  ", error)
                output.line("      then: meshproof down --node \(name), or --forget with it")
            } else {
                output.line(
                    node.left.isEmpty
                        ? "  \(style.green("✓")) \(name) itself is clean: nothing is left on it"
                        : "  \(style.red("✗")) left on \(name): \(node.left.joined(separator: ", "))"
                )
            }
        }
        return isDone ? ExitCode.fine : ExitCode.failure
    }
}
