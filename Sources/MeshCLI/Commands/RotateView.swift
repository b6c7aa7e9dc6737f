import MeshController
import MeshModel

/// What `rotate` did, for people.
struct RotateView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: RotateReport) {
        let style = output.style
        let seconds = "\(Human.tenth(report.seconds)) s"
        let keys = report.preshared ? "preshared keys" : "keys"
        let whose = report.scope?.text ?? "Mesh \(report.mesh)"
        let isOne = report.scope.map { $0.nodes.count + $0.pairs.count == 1 } ?? true
        switch report.outcome {
        case .rotated:
            output.line(
                style.bold(
                    "\(whose) \(isOne ? "has" : "have") new \(keys) (\(seconds)): nothing is left of the old"
                ))
        case .takenBack:
            output.line(
                style.bold(
                    "\(whose) \(isOne ? "keeps its" : "keep their") \(keys) (\(seconds)): nothing is left of the new"
                ))
        case .grace:
            output.line(
                style.bold("Mesh \(report.mesh) has new keys (\(seconds)), but for these:"))
        case .notDue:
            let what =
                report.notes.isEmpty ? "no key is due" : "no key is due that could be replaced"
            output.line(style.bold("Mesh \(report.mesh): \(what)"))
            for note in report.notes { output.hang("  \(style.yellow("!")) ", note) }
            return
        case .stopped:
            let step = report.stoppedAt?.rawValue ?? "its beginning"
            output.line(style.bold("The rotation of mesh \(report.mesh) stopped at \(step)"))
            output.hang("  \(style.red("✗")) ", report.error ?? "")
            if let fix = report.fix { output.hang("      fix: ", fix) }
            output.line(
                "  then: meshproof rotate --resume"
                    + (report.canGoBack ? ", or meshproof rotate --abort" : ""))
        }
        printDetails(report)
    }

    /// What was found beside, without how it ended.
    func printDetails(_ report: RotateReport) {
        let style = output.style
        for line in report.arrived { output.line("  \(style.mark(true)) \(line)") }
        for notice in report.grace { output.hang("  \(style.yellow("!")) ", notice.message) }
        let isPartial = report.scope != nil || report.preshared
        for name in report.without {
            output.line(
                "  \(style.yellow("!")) \(name) "
                    + (isPartial
                        ? "was gone on without, and keeps its keys"
                        : "is cut off until meshproof up brings it back"))
        }
        for pair in report.silent {
            output.line("  \(style.yellow("!")) \(pair) had no handshake before, and has none now")
        }
        for note in report.notes { output.hang("  \(style.yellow("!")) ", note) }
        if report.outcome == .grace {
            output.line("  then: meshproof up, which looks whether they have it")
        } else if report.isGood {
            output.line("  next: meshproof verify")
        }
    }
}
