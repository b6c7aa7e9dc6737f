import MeshController
import MeshModel

/// How old the mesh's keys are, and the rotation that is open, for people.
struct KeysView {
    let output: Output

    init(_ output: Output) { self.output = output }

    func print(_ report: StatusReport) {
        let style = output.style
        let ages = [
            age("WireGuard keys", report.keys.wireguardSince, report),
            age("SSH keys", report.keys.sshSince, report),
        ].compactMap(\.self)
        if !ages.isEmpty {
            output.line()
            output.line("  " + ages.joined(separator: ", "))
        }
        guard let open = report.rotation else { return }
        output.line()
        let way = open.isBack ? "on its way back" : "open"
        output.line(
            "  \(style.yellow("rotation")) \(way) since \(Human.age(report.at - open.plan.began)), at step \(open.step.rawValue)"
        )
        output.line("      fix: meshproof rotate --resume, or meshproof rotate --abort")
    }

    private func age(_ what: String, _ since: Double?, _ report: StatusReport) -> String? {
        guard let since else { return nil }
        let age = report.at - since
        let text = "\(what) \(Human.age(age)) old"
        guard let limit = report.rotateEvery, age >= Double(limit) else { return text }
        return output.style.yellow("\(text), overdue: meshproof rotate --due")
    }
}
