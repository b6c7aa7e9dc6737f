import MeshModel

/// Lays a report out in lines of at most `width` columns.
///
/// Messages come from nodes, and receipts from anywhere: nothing in them may reach the terminal as a command.
struct VerifyPainter {
    private let report: VerifyReport
    private let style: Style
    private let width: Int
    private let isDetailed: Bool
    private let nameWidth: Int
    private let viaWidth: Int
    private let verdictWidth: Int
    /// Edges that were shown already, under an earlier path.
    private var shown: Set<String> = []
    /// Findings that were explained already: what ails a node ails each of its edges.
    private var explained: [Finding] = []

    init(_ report: VerifyReport, style: Style, width: Int, isDetailed: Bool) {
        self.report = report
        self.style = style
        self.width = max(width, 40)
        self.isDetailed = isDetailed
        let names = report.edges.map { Self.name($0.id).count }
        // Two columns of margin, the mark, and room for the three words behind.
        nameWidth = min(names.max() ?? 0, max(self.width - 42, 12))
        viaWidth = report.edges.map(\.via.rawValue.count).max() ?? 0
        verdictWidth = report.edges.map(\.verdict.rawValue.count).max() ?? 0
    }

    /// The paths that have edges, in the order in which edges name them.
    var paths: [String] {
        var seen: Set<String> = []
        let named = report.edges.flatMap(\.paths).filter { seen.insert($0).inserted }
        return report.edges.contains { $0.paths.isEmpty } ? named + [""] : named
    }

    func heading() -> [String] {
        let manner =
            report.passive.map { "real traffic watched for \(Human.age($0))" }
            ?? "every edge probed"
        let counts =
            "\(Human.count(report.edges.count, "edge")), \(manner), level \(report.required.rawValue) asked for"
        let topology =
            "\(TextWrap.plain(report.topology.file)) sha256:\(report.topology.digest.prefix(12))"
        return TextWrap.hang(
            style.bold("Mesh \(TextWrap.plain(report.mesh))") + "  ", counts, width: width)
            + TextWrap.hang(
                "",
                "\(topology), \(Timestamp.words(report.began)), took \(Human.tenth(report.seconds)) s",
                width: width, paint: style.dim)
    }

    // MARK: Edges

    mutating func path(_ path: String) -> [String] {
        let edges = report.edges.filter {
            path.isEmpty ? $0.paths.isEmpty : $0.paths.contains(path)
        }
        let carries = Self.carries(edges, path)
        let title = style.bold(path.isEmpty ? "no path" : TextWrap.plain(path))
        var lines =
            [""]
            + TextWrap.hang(
                "  \(title)  ", carries.isEmpty ? "" : "carries " + carries.joined(separator: ", "),
                width: width, paint: style.dim)
        for edge in edges { lines += self.edge(edge) }
        return lines
    }

    /// What a path carries. An edge of several paths carries what all of them do, so one of this path alone tells best.
    private static func carries(_ edges: [EdgeVerdict], _ path: String) -> [String] {
        if let own = edges.first(where: { $0.paths == [path] }) {
            return own.carries.map(TextWrap.plain)
        }
        let first = edges.first?.carries ?? []
        return first.filter { item in edges.allSatisfy { $0.carries.contains(item) } }
            .map(TextWrap.plain)
    }

    private mutating func edge(_ edge: EdgeVerdict) -> [String] {
        let isGood = VerifyView.isGood(edge, report)
        let isShort = edge.verdict == .encrypted && !isGood
        let mark = isShort ? style.yellow("!") : edge.verdict.paint(edge.verdict.mark, style)
        let name = Self.name(edge.id)
        let verdict =
            isShort ? style.yellow("encrypted") : edge.verdict.paint(edge.verdict.rawValue, style)
        let words =
            edge.via.rawValue.padding(to: viaWidth) + "  " + verdict.padding(to: verdictWidth)
            + "  "
            + (isShort
                ? style.yellow("\(edge.level.rawValue) only") : edge.level.rawValue)
            + (edge.witnesses.count == 1 && edge.via != .local
                ? style.dim("  \(TextWrap.plain(edge.witnesses[0])) alone can be asked") : "")
        var lines: [String]
        if name.count > nameWidth {
            lines =
                TextWrap.hang("  \(mark) ", name, width: width)
                + ["    " + String(repeating: " ", count: nameWidth) + "  " + words]
        } else {
            lines = ["  \(mark) \(name.padding(to: nameWidth))  \(words)"]
        }
        if !shown.insert(edge.id).inserted {
            if !edge.findings.isEmpty {
                lines += TextWrap.hang("      ", "as above", width: width, paint: style.dim)
            }
            return lines
        }
        for finding in edge.findings { lines += self.finding(finding) }
        if isDetailed {
            for carrier in edge.carriers {
                lines += TextWrap.hang(
                    "      ", TextWrap.plain(carrier), width: width, paint: style.dim)
            }
        }
        return lines
    }

    /// `webui->ollama` as `webui → ollama`.
    private static func name(_ id: String) -> String {
        TextWrap.plain(id).split(separator: "->", maxSplits: 1).joined(separator: " → ")
    }

    // MARK: Findings

    private mutating func finding(_ finding: Finding) -> [String] {
        let label = "      " + label(finding.severity)
        let message = place(finding) + TextWrap.plain(finding.message)
        let code = "[\(finding.code.rawValue)]"
        if explained.contains(finding) {
            return TextWrap.hang(label, "\(message) (as above)", width: width)
        }
        explained.append(finding)
        let margin = String(repeating: " ", count: TextWrap.visible(label))
        var lines = TextWrap.hang(label, "\(message) \(code)", width: width)
        if let last = lines.popLast() { lines.append(dimming(code, in: last)) }
        if finding.severity == .note && !isDetailed { return lines }
        if !finding.why.isEmpty {
            lines += TextWrap.hang(
                margin, TextWrap.plain(finding.why), width: width, paint: style.dim)
        }
        if !finding.fix.isEmpty {
            lines += TextWrap.hang(
                margin + style.cyan("→ "), TextWrap.plain(finding.fix), width: width)
        }
        lines += consequences(of: finding, margin: margin, depth: 0)
        return lines
    }

    private static let consequencesShown = 3

    /// What follows from a finding goes with it, so it needs neither reason nor fix of its own.
    private func consequences(of finding: Finding, margin: String, depth: Int) -> [String] {
        // A receipt of a stranger may nest deeper than a screen is wide.
        if depth > 4 { return [] }
        let all = finding.consequences
        // More of them say nothing new to whoever is to mend the cause.
        let shown =
            isDetailed || all.count <= Self.consequencesShown + 1
            ? all : Array(all.prefix(Self.consequencesShown))
        let lines = shown.flatMap { next in
            TextWrap.hang(
                margin + style.dim("↳ "), place(next) + TextWrap.plain(next.message), width: width)
                + consequences(of: next, margin: margin + "  ", depth: depth + 1)
        }
        let hidden = all.count - shown.count
        return hidden == 0
            ? lines
            : lines + [margin + style.dim("↳ and \(hidden) more that follow from it")]
    }

    /// The node, where the message does not name it.
    private func place(_ finding: Finding) -> String {
        guard let node = finding.node, !finding.message.contains(node) else { return "" }
        return "on \(TextWrap.plain(node)): "
    }

    private func label(_ severity: Finding.Severity) -> String {
        let word = severity.rawValue.padding(to: 10)
        return switch severity {
        case .critical: style.red(word)
        case .serious: style.yellow(word)
        case .minor, .note: style.dim(word)
        }
    }

    private func dimming(_ code: String, in line: String) -> String {
        line.hasSuffix(code) ? line.dropLast(code.count) + style.dim(code) : line
    }

    // MARK: What is not an edge

    mutating func forbidden() -> [String] {
        if report.forbidden.isEmpty { return [] }
        let names = report.forbidden.map { Self.name($0.id).count }
        let wide = min(names.max() ?? 0, max(width - 20, 12))
        var lines = ["", "  \(style.bold("forbidden"))"]
        for line in report.forbidden {
            let (mark, word) =
                switch line.state {
                case .holds: (style.green("✓"), style.green("holds"))
                case .guarded: (style.green("✓"), style.green("guarded"))
                case .broken: (style.red("✗"), style.red("broken"))
                case .untested: (style.yellow("!"), style.yellow("untested"))
                }
            let remark =
                line.state == .guarded
                ? style.dim("  no agent there to try it; the guard is closed") : ""
            lines.append("  \(mark) \(Self.name(line.id).padding(to: wide))  \(word)\(remark)")
            for finding in line.findings { lines += self.finding(finding) }
        }
        return lines
    }

    func silent() -> [String] {
        let silent = report.nodes.filter { $0.facts == nil }
        if silent.isEmpty { return [] }
        return [""]
            + silent.flatMap { node in
                TextWrap.hang(
                    "  \(style.yellow("!")) \(style.bold(TextWrap.plain(node.node)))  ",
                    "did not answer" + (node.problem.map { ": \(TextWrap.plain($0))" } ?? ""),
                    width: width)
            }
    }

    /// What belongs to no edge and decides nothing.
    func notes() -> [String] {
        guard let notes = report.notes, !notes.isEmpty else { return [] }
        return [""]
            + notes.flatMap {
                TextWrap.hang("  ", TextWrap.plain($0), width: width, paint: style.dim)
            }
    }

    // MARK: The last line

    func conclusion(validUntil: Double?) -> [String] {
        let summary = VerifySummary(report)
        let isGrave = summary.isBroken || report.edges.contains { $0.verdict == .exposed }
        let style = style
        var lines = TextWrap.hang("", summary.text, width: width) { line in
            let line = style.bold(line)
            if summary.isGood { return style.green(line) }
            return isGrave ? style.red(line) : style.yellow(line)
        }
        if let receipt = report.receipt {
            let until = validUntil.map { ", valid until \(Timestamp.words($0))" } ?? ""
            lines += TextWrap.hang("", "Receipt \(receipt)\(until).", width: width)
        }
        return lines
    }
}
