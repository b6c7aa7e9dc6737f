import MeshController
import MeshModel

/// How old the mesh's keys are, and the rotation that is open, for people.
struct KeysView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: StatusReport) {
        let style = output.style
        let ages = [
            age("WireGuard keys", report.keys.wireguardSince, report.at),
            age("SSH keys", report.keys.sshSince, report.at),
        ].compactMap(\.self)
        if !ages.isEmpty {
            output.line()
            output.line(style.dim("  " + ages.joined(separator: ", ")))
        }
        guard let open = report.rotation else { return }
        output.line()
        let way = open.isBack ? "on its way back" : "open"
        output.line(
            "  \(style.yellow("rotation")) \(way) since \(Human.age(report.at - open.plan.began)), at step \(open.step.rawValue)"
        )
        output.line("      fix: meshproof rotate --resume, or meshproof rotate --abort")
    }

    private func age(_ what: String, _ since: Double?, _ now: Double) -> String? {
        since.map { "\(what) \(Human.age(now - $0)) old" }
    }
}
