import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Secrets

extension CommandTable {
    static let verify = Command(
        "verify",
        summary: "prove that every edge is encrypted, or say why not",
        explanation: """
            For every edge of every path: looks at the kernel on both ends, captures on every
            device while each edge's service is asked something harmless, and lets a machine
            that is not let in try to get in. Then judges: encrypted, exposed, down or unproven,
            with how far the evidence goes:

              configured   both ends are set up so: devices, keys, addresses, listeners
              live         packets go that way now: routes, handshakes, counters
              observed     the wire was watched meanwhile and showed nothing else
              enforced     those who must not get in were tried, and did not

            Every run leaves a signed receipt (`meshproof receipt`). docs/verify.md explains each finding.
            Exit 0: every edge is encrypted at the level asked for; 3: one is not; 1: nothing could be asked.
            """,
        examples: [
            "meshproof verify", "meshproof verify --path chat --level enforced",
            "meshproof verify --edge 'webui->ollama' --json",
            "meshproof verify --passive 30 --junit verify.xml",
        ],
        options: Option.fleet + [
            Option("path", value: "NAME", help: "only this path's edges (may be repeated)"),
            Option("edge", value: "EDGE", help: "only this edge, 'from->to' (may be repeated)"),
            Option(
                "level", value: "LEVEL",
                help: "what each edge must reach for exit 0: configured, live, observed, enforced"),
            Option(
                "passive", value: "SECONDS",
                help: "put no probes; judge the traffic that there is in so many seconds"),
            Option("junit", value: "FILE", help: "write the result as JUnit XML as well"),
            Option("no-receipt", help: "keep no receipt of this run"),
            Option(
                "valid", value: "HOURS", help: "how long the receipt is valid (default 24)"),
        ]
    ) { invocation in
        let workspace = try Workspace(invocation)
        let question = try verifyQuestion(workspace)
        var validUntil: Double?
        let hours = try invocation.seconds("valid", 24, in: 1...8784)
        let state = try workspace.state(writing: false)
        let progress = workspace.progress()
        let run = VerifyRun(
            workspace.topology, state: state, carrier: workspace.carrier(),
            settings: workspace.settings, progress: progress)
        var outcome = try run.run(question)
        progress.end()
        if !invocation.has("no-receipt") {
            // Only now is the state locked: a run must not keep anybody from working.
            let issued = try workspace.patientState().appendReceipt(
                outcome.report, facts: outcome.facts, lifetime: hours * 3600, now: Clocks.wall())
            outcome.report = issued.report
            validUntil = issued.expiresAt
        }
        if let path = invocation.values["junit"] {
            do {
                try Files.replace(path, with: Array(JUnitReport.render(outcome.report).utf8))
            } catch {
                throw CommandFailure("cannot write \(path): \(error)")
            }
        }
        if workspace.asJSON {
            try JSONOutput.print(outcome.report, command: "verify", to: workspace.output)
        } else {
            VerifyView.lines(
                outcome.report, style: workspace.output.style, width: workspace.output.wrapWidth,
                validUntil: validUntil
            ).forEach(workspace.output.line)
        }
        return outcome.report.isProven ? ExitCode.fine : ExitCode.notEncrypted
    }

    private static func verifyQuestion(_ workspace: Workspace) throws -> VerifyQuestion {
        let invocation = workspace.invocation
        let digest: String
        do { digest = try Digests.sha256(file: workspace.topologyPath) } catch {
            throw CommandFailure("\(error)", code: ExitCode.badTopology)
        }
        var question = VerifyQuestion(
            topology: TopologyReference(file: workspace.topologyPath, digest: digest))
        question.paths = invocation.lists["path"] ?? []
        question.edges = invocation.lists["edge"] ?? []
        if invocation.has("passive") {
            question.passive = try invocation.seconds("passive", 30, in: 1...3600)
        }
        if let name = invocation.values["level"] {
            guard let level = EvidenceLevel(rawValue: name) else {
                throw CommandFailure(
                    "--level \(name): want "
                        + EvidenceLevel.allCases.map(\.rawValue).joined(separator: ", "),
                    fix: "observed is the default", code: ExitCode.usage)
            }
            question.required = level
        }
        return question
    }
}
