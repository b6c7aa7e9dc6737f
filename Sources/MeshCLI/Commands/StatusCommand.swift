import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol

extension CommandTable {
    static let status = Command(
        "status",
        summary: "show how every node and every peering is",
        explanation: """
            Asks every node's kernel: interfaces, backends, handshakes, traffic, endpoints,
            tunnels, the guard and what it dropped, and whether anything differs from what was agreed (drift; the node mends
            it within 30 s by itself). Exit 0: all as it should be; 2: drift, or a peering is
            missing, or a tunnel does not stand; 1: a node could not be asked. Of such a node its
            peers say whether its change still waits with them, or when it was fetched.
            """,
        examples: [
            "meshproof status", "meshproof status --watch", "meshproof --lab status --json",
        ],
        options: Option.fleet + [
            Option("watch", help: "look again every two seconds, until Ctrl-C")
        ]
    ) { invocation in
        let workspace = try Workspace(invocation)
        let progress = workspace.progress()
        let run = try workspace.statusRun(invocation.has("watch") ? NoProgress() : progress)
        while true {
            let report = try run.look()
            progress.end()
            if workspace.asJSON {
                try JSONOutput.print(report, command: "status", to: workspace.output)
            } else {
                if invocation.has("watch") && workspace.output.canRewrite {
                    workspace.output.write("\u{1b}[H\u{1b}[J")
                }
                StatusView(workspace.output).print(report)
            }
            if invocation.has("watch") {
                // `status --watch | head` ends with head.
                guard workspace.output.hasReader else { return ExitCode.fine }
                Clocks.sleep(2)
                continue
            }
            if !report.isComplete { return ExitCode.failure }
            return report.isAsWanted ? ExitCode.fine : ExitCode.pending
        }
    }
}

/// The mesh's state for people.
struct StatusView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: StatusReport) {
        let style = output.style
        let alive = report.peerings.filter { $0.state == .alive }.count
        output.line(
            style.bold("Mesh \(report.mesh)")
                + "  \(Human.count(report.nodes.count, "node")), \(alive) of \(Human.count(report.peerings.count, "peering")) alive"
                + tunnelCount(report)
        )
        output.line()
        nodes(report).lines(width: output.wrapWidth).forEach(output.line)
        output.line()
        peerings(report).lines(width: output.wrapWidth).forEach(output.line)
        if !report.tunnels.isEmpty {
            output.line()
            let tunnels = TunnelView(output)
            tunnels.table(report.tunnels).lines(width: output.wrapWidth).forEach(output.line)
            tunnels.problems(report.tunnels)
        }
        GuardView(output).drops(report)
        KeysView(output).print(report)
        if !report.former.isEmpty { output.line() }
        output.former(report.former)
        for node in report.nodes {
            if let error = node.error {
                output.line()
                output.hang("  \(style.red("✗")) \(style.bold(node.node))  ", error)
                if let fix = node.fix { output.hang("      fix: ", fix) }
            }
            if let note = node.note {
                output.line()
                output.hang("  \(style.dim("–")) \(style.bold(node.node))  ", note)
            }
            for line in MailWords.lines(node.mail, now: report.at) {
                output.hang("      mail: ", line)
            }
            for step in node.report?.drift ?? [] {
                output.line()
                output.hang(
                    "  \(style.yellow("drift")) \(style.bold(node.node))  ", step.change.summary)
                output.hang("      ", style.dim(step.reason))
            }
            if let problem = node.report?.observed.names?.problem {
                output.hang("      cannot be mended: ", problem)
            }
            if let back = node.report?.hello.rolledBack, back.at > report.at - 3600 {
                output.line()
                output.hang(
                    "  \(style.yellow("↺")) \(style.bold(node.node))  ",
                    "took revision \(back.revision) back \(Human.age(report.at - back.at)) ago: "
                        + back.reason)
            }
        }
    }

    private func tunnelCount(_ report: StatusReport) -> String {
        if report.tunnels.isEmpty { return "" }
        let up = report.tunnels.filter { $0.state == .up }.count
        return ", \(up) of \(Human.count(report.tunnels.count, "tunnel")) up"
    }

    private func nodes(_ report: StatusReport) -> Table {
        let style = output.style
        let guards = GuardView(output)
        var table = Table(
            ["NODE", "BACKEND", "REVISION", "PEERS", "GUARD", "DRIFT", "MENDED"], style)
        for node in report.nodes {
            guard let found = node.report else {
                let word = node.joined ? style.dim("not asked") : style.red("no answer")
                table.add([node.node, word, "–", "–", "–", "–", "–"])
                continue
            }
            let interface = found.observed.interfaces.first
            let peers = Self.peers(found)
            let mended = found.repairs.filter { $0.failure == nil }
            let last = mended.last.map { " (\(Human.age(report.at - $0.at)) ago)" } ?? ""
            table.add([
                node.node, interface?.kind.label ?? "none",
                found.hello.unconfirmed.map { "\($0) unconfirmed" } ?? "\(found.hello.revision)",
                "\(peers.there) of \(peers.wanted)",
                guards.word(found),
                found.drift.isEmpty ? style.green("none") : style.yellow("\(found.drift.count)"),
                mended.isEmpty ? "never" : Human.count(mended.count, "time") + last,
            ])
        }
        return table
    }

    /// How many nodes are to be peers of this one, by any interface, and how many are.
    private static func peers(_ report: NodeReport) -> (there: Int, wanted: Int) {
        var there: Set<String> = []
        var wanted: Set<String> = []
        for interface in report.document?.interfaces ?? [] {
            let device = report.observed.interfaces.first { $0.name == interface.name }?.device
            let keys = Set((device?.peers ?? []).map(\.publicKey))
            wanted.formUnion(interface.peers.map(\.node))
            there.formUnion(interface.peers.filter { keys.contains($0.publicKey) }.map(\.node))
        }
        return (there.count, wanted.count)
    }

    private func peerings(_ report: StatusReport) -> Table {
        let style = output.style
        var table = Table(["PEERING", "STATE", "HANDSHAKE", "RX", "TX", "ENDPOINT"], style)
        for peering in report.peerings {
            let state =
                switch peering.state {
                case .alive: style.green("alive")
                case .idle: style.yellow("idle")
                case .missing: style.red("missing")
                case .waiting: style.dim("waiting")
                case .unknown: style.red("unknown")
                }
            let ages = peering.ends.compactMap(\.handshakeAge)
            // A phone is at two interfaces while keys are rotated: the one where it was heard last counts.
            let first = peering.ends.filter { $0.node == peering.ends.first?.node }
                .min { ($0.handshakeAge ?? .infinity) < ($1.handshakeAge ?? .infinity) }
            table.add([
                "\(peering.a) – \(peering.b)", state, ages.min().map { Human.age($0) } ?? "never",
                first.map { Human.bytes($0.rxBytes) } ?? "–",
                first.map { Human.bytes($0.txBytes) } ?? "–",
                first?.endpoint?.description ?? "–",
            ])
        }
        return table
    }
}
