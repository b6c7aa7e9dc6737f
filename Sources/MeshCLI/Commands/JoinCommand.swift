import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Secrets

extension CommandTable {
    static let join = Command(
        "join", operands: "[TOKEN]", operandCount: 0...1,
        summary: "on a node: bring this machine into a mesh by a token",
        explanation: """
            Run it as root on a machine that the controller cannot log in to. There,
            `meshproof peer invite NAME` has printed a token and waits. This machine dials
            it; each proves to the other that it has the token; then this machine makes its
            own keys, pins the controller's, and starts the agent, which runs from then on.

            Without TOKEN it is asked for, or read from standard input. That is the better
            way: what stands on a command line is seen by others on this machine for a
            moment, and stays in the shell's history; `sudo meshproof join TOKEN` would
            show it for the whole join, and is refused. A token is good once.

            Exit 1: this machine has not joined; it is said how it is left.
            """,
        examples: ["sudo meshproof join", "meshproof join < token"],
        options: []
    ) { invocation in
        let output = Output(1, noColor: invocation.has("no-color"))
        guard geteuid() == 0 else {
            throw CommandFailure(
                "joining a mesh needs root", fix: "sudo meshproof join", code: ExitCode.notPermitted
            )
        }
        return try JoinView(output, invocation).run()
    }
}

/// `join`, for people.
private struct JoinView {
    let output: Output
    let invocation: Invocation

    init(_ output: Output, _ invocation: Invocation) {
        self.output = output
        self.invocation = invocation
    }

    /// What is printed as JSON.
    private struct Report: Encodable {
        let mesh: String
        let node: String
        let addresses: [String]
        let peers: [String]
        let reaches: [String]
    }

    func run() throws -> Int32 {
        let token: JoinToken
        do { token = try JoinToken.read(try text()) } catch let error as SecretsError {
            throw CommandFailure(error.message, fix: error.hint, code: ExitCode.usage)
        }
        let progress = ProgressView(
            Output(2, noColor: invocation.has("no-color")), quiet: invocation.has("quiet"))
        let node = token.invitation.node
        let run = try JoinRun(token) { news in
            switch news {
            case .dialling(let place): progress.working(node, "dialling \(place)")
            case .retrying(let reason): progress.working(node, "trying again: \(reason)")
            case .welcomed:
                progress.working(node, "the controller has shown that it made the token")
            case .installed(let place): progress.working(node, "program put in \(place)")
            case .enrolled: progress.working(node, "keys made, the controller's pinned, agent runs")
            case .configuring: progress.working(node, "taking its settings")
            }
        }
        let outcome: JoinOutcome
        do { outcome = try run.run() } catch {
            progress.end()
            throw error
        }
        progress.finished(node, "joined", good: true)
        progress.end()
        try show(outcome)
        return ExitCode.fine
    }

    private func show(_ outcome: JoinOutcome) throws {
        if invocation.has("json") {
            try JSONOutput.print(
                Report(
                    mesh: outcome.mesh, node: outcome.node, addresses: outcome.addresses,
                    peers: outcome.peers, reaches: outcome.reaches), command: "join", to: output)
            return
        }
        let style = output.style
        output.line(
            style.bold("This machine is \(outcome.node) of mesh \(outcome.mesh)") + ", at "
                + outcome.addresses.joined(separator: " and "))
        func list(_ label: String, _ names: [String], none: String) {
            output.hang("  \(label)  ", names.isEmpty ? none : names.joined(separator: ", "))
        }
        list("peers", outcome.peers, none: "none yet: it has no edge")
        list("services", outcome.reaches, none: "none yet: it has no edge to one")
        output.hang(
            "  ",
            "The agent runs from now on, also after a restart of the machine where systemd is. The controller's changes "
                + "reach it through its peers.")
    }

    /// The token, wherever it comes from.
    private func text() throws -> String {
        if let given = invocation.operands.first {
            TokenOperand.hide(
                given, in: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
            try TokenOperand.refuse(under: getenv("SUDO_COMMAND").map { String(cString: $0) })
            return given
        }
        if isatty(0) == 1 {
            guard let typed = getpass("Token (not shown): ") else {
                throw CommandFailure("no token was given", code: ExitCode.usage)
            }
            defer { explicit_bzero(typed, strlen(typed)) }
            return String(cString: typed)
        }
        return readLine() ?? ""
    }
}
