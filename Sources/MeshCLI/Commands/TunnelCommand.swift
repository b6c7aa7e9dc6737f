import MeshController
import MeshModel

extension CommandTable {
    static let tunnel = Command(
        "tunnel", operands: "ls|restart EDGE", operandCount: 1...2,
        summary: "show the SSH tunnels, or make one anew",
        explanation: """
            Every edge with `via: ssh` is a tunnel: an application on the edge's first node
            connects to a port of its own loopback (or to a unix socket), and comes out at the
            service on the other node, through one pinned and restricted SSH session.

              ls              each tunnel: state, since when, entrance, traffic, algorithms
              restart EDGE    drop the session and its connections, and make a new one

            Exit 0: all stand; 1: a node could not be asked, or a restart did not bring the
            tunnel back; 2: a tunnel does not stand, and why is said.
            """,
        examples: [
            "meshproof tunnel ls", "meshproof --lab tunnel ls --json",
            "meshproof tunnel restart 'webui->postgres'",
        ],
        options: Option.fleet
    ) { invocation in
        switch invocation.operands.first {
        case "ls":
            guard invocation.operands.count == 1 else {
                throw CommandFailure("tunnel ls takes no name", code: ExitCode.usage)
            }
            return try listTunnels(try Workspace(invocation))
        case "restart":
            guard invocation.operands.count == 2 else {
                throw CommandFailure(
                    "which tunnel?", fix: "meshproof tunnel restart 'webui->postgres'",
                    code: ExitCode.usage)
            }
            return try restartTunnel(invocation.operands[1], try Workspace(invocation))
        default:
            throw CommandFailure(
                "there is no `tunnel \(invocation.operands.first ?? "")`",
                fix: "meshproof tunnel ls, or meshproof tunnel restart EDGE",
                code: ExitCode.usage)
        }
    }

    private static func listTunnels(_ workspace: Workspace) throws -> Int32 {
        let progress = workspace.progress()
        let report = try TunnelRun(workspace.statusRun(progress)).list()
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "tunnel ls", to: workspace.output)
        } else {
            TunnelView(workspace.output).print(report)
        }
        return TunnelView.exitCode(report.tunnels)
    }

    private static func restartTunnel(_ edge: String, _ workspace: Workspace) throws -> Int32 {
        let progress = workspace.progress()
        let report = try TunnelRun(workspace.statusRun(progress)).restart(edge)
        progress.end()
        if workspace.asJSON {
            try JSONOutput.print(report, command: "tunnel restart", to: workspace.output)
        } else {
            TunnelView(workspace.output).print(report)
        }
        return report.tunnels.allSatisfy { $0.state == .up } ? ExitCode.fine : ExitCode.failure
    }
}

/// Tunnels for people.
struct TunnelView {
    let output: Output

    init(_ output: Output) { self.output = output }

    static func exitCode(_ tunnels: [TunnelStatus]) -> Int32 {
        if tunnels.contains(where: { $0.state == .unknown }) { return ExitCode.failure }
        return tunnels.allSatisfy { $0.state == .up } ? ExitCode.fine : ExitCode.pending
    }

    func print(_ report: TunnelReport) {
        let style = output.style
        let up = report.tunnels.filter { $0.state == .up }.count
        output.line(
            style.bold("Mesh \(report.mesh)")
                + (report.tunnels.isEmpty
                    ? "  no edge goes by SSH"
                    : "  \(up) of \(Human.count(report.tunnels.count, "tunnel")) up"))
        if report.tunnels.isEmpty { return }
        output.line()
        table(report.tunnels).lines(width: output.wrapWidth).forEach(output.line)
        for tunnel in report.tunnels { details(tunnel) }
        problems(report.tunnels)
    }

    /// One line a tunnel.
    func table(_ tunnels: [TunnelStatus]) -> Table {
        let style = output.style
        var table = Table(["TUNNEL", "STATE", "SINCE", "CONNS", "SENT", "RECEIVED", "AT"], style)
        for tunnel in tunnels {
            let observed = tunnel.observed
            table.add([
                tunnel.edge, label(tunnel.state), tunnel.age.map { Human.age($0) } ?? "–",
                observed.map { "\($0.connections)" } ?? "–",
                observed.map { Human.bytes($0.sent) } ?? "–",
                observed.map { Human.bytes($0.received) } ?? "–",
                "\(tunnel.from) " + (observed?.tunnel.entrances.first?.description ?? "–"),
            ])
        }
        return table
    }

    private func label(_ state: TunnelStatus.State) -> String {
        switch state {
        case .up: output.style.green("up")
        case .connecting: output.style.yellow("connecting")
        case .refused, .blocked, .missing, .unknown: output.style.red(state.rawValue)
        }
    }

    private func details(_ tunnel: TunnelStatus) {
        guard let observed = tunnel.observed else { return }
        let style = output.style
        output.line()
        output.hang(
            "  \(style.bold(tunnel.edge))  ",
            "to \(observed.tunnel.target) on \(tunnel.to), by \(observed.tunnel.server)"
                + (observed.tunnel.way == .mesh ? " over the mesh" : ""))
        if let chosen = observed.algorithms {
            let macs = Set([chosen.macOut, chosen.macIn]).sorted().joined(separator: ", ")
            let ciphers = Set([chosen.cipherOut, chosen.cipherIn]).sorted().joined(separator: ", ")
            output.hang(
                "    ",
                style.dim("\(chosen.keyExchange), ssh-ed25519, \(ciphers), MAC \(macs)"))
        }
        var counts = ["\(Human.count(Int(clamping: observed.accepted), "connection")) so far"]
        if observed.reconnects > 0 { counts.append("reconnected \(observed.reconnects) times") }
        if tunnel.state == .up, let error = observed.lastError, error.at > observed.since {
            counts.append("last trouble: \(error.message)")
        }
        output.hang("    ", style.dim(counts.joined(separator: "; ")))
    }

    /// What is wrong, and how to mend it.
    func problems(_ tunnels: [TunnelStatus]) {
        let style = output.style
        for tunnel in tunnels where tunnel.state != .up {
            output.line()
            let name = "  \(style.red("✗")) \(style.bold(tunnel.edge))  "
            switch tunnel.state {
            case .missing:
                output.hang(name, "\(tunnel.from) has no such tunnel yet")
                output.hang("      fix: ", "meshproof up")
            case .unknown:
                output.hang(name, "\(tunnel.from) could not be asked")
            default:
                if tunnel.problems.isEmpty { output.hang(name, tunnel.state.rawValue) }
                for (number, problem) in tunnel.problems.enumerated() {
                    output.hang(number == 0 ? name : "      ", problem.message)
                    output.hang("      fix: ", problem.fix)
                }
            }
        }
    }
}
