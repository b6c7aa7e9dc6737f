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
            age("preshared keys", report.keys.presharedSince, report),
            age("SSH keys", report.keys.sshSince, report),
        ].compactMap(\.self)
        if !ages.isEmpty {
            output.line()
            output.line("  " + ages.joined(separator: ", "))
            let nodes = report.keys.nodesSince.sorted { $0.key < $1.key }
                .filter { pair in report.nodes.contains { $0.node == pair.key } }
                .compactMap { pair in
                    let isJoined = report.nodes.contains { $0.node == pair.key && $0.joined }
                    return age(
                        "\(pair.key)'s", pair.value, report,
                        fix: isJoined
                            ? "meshproof node leave there, then meshproof peer invite \(pair.key)"
                            : "meshproof rotate --due")
                }
            if !nodes.isEmpty { output.hang("  WireGuard key: ", nodes.joined(separator: ", ")) }
        }
        for name in report.unpinned {
            output.line()
            output.line(
                "  \(style.yellow("key")) \(style.bold(name))  has not pinned the controller's new key yet"
            )
            output.line("      fix: meshproof up")
        }
        guard let open = report.rotation else { return }
        output.line()
        let since = Human.age(report.at - open.plan.began)
        guard open.grace.isEmpty else {
            output.line(
                "  \(style.yellow("rotation")) of \(since) ago: all but these have the new keys")
            for notice in open.grace { output.hang("      ", notice.message) }
            return
        }
        let way = open.isBack ? "on its way back" : "open"
        let leg = open.plan.isHome == true ? " of its second leg" : ""
        output.line(
            "  \(style.yellow("rotation")) \(way) since \(since), at step \(open.step.rawValue)\(leg)"
        )
        output.line(
            "      fix: meshproof rotate --resume"
                + (open.canGoBack ? ", or meshproof rotate --abort" : ""))
    }

    private func age(
        _ what: String, _ since: Double?, _ report: StatusReport,
        fix: String = "meshproof rotate --due"
    ) -> String? {
        guard let since else { return nil }
        let age = report.at - since
        let text = "\(what) \(Human.age(age)) old"
        guard let limit = report.rotateEvery, age >= Double(limit) else { return text }
        return output.style.yellow("\(text), overdue: \(fix)")
    }
}
