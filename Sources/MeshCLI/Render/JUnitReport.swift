package import MeshModel

/// A report as JUnit XML, which build servers read. One test case an edge and a `forbid` line.
///
/// *Source:* the format as Jenkins' and GitLab's readers take it; XML 1.0 (fifth edition), section 2.2, for characters.
package enum JUnitReport {
    /// The whole document.
    package static func render(_ report: VerifyReport) -> String {
        let failures =
            report.edges.filter { !VerifyView.isGood($0, report) }.count
            + report.forbidden.filter { $0.state == .broken }.count
        let skipped = report.forbidden.filter { $0.state == .untested }.count
        let counts = attributes([
            ("name", "meshproof verify \(report.mesh)"),
            ("tests", "\(report.edges.count + report.forbidden.count)"),
            ("failures", "\(failures)"), ("errors", "0"), ("skipped", "\(skipped)"),
            ("time", seconds(report.seconds)),
        ])
        let time = attributes([("timestamp", String(Timestamp.text(report.began).dropLast()))])
        var lines = [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites\(counts)>",
            "  <testsuite\(counts)\(time)>", "    <properties>",
        ]
        for (name, value) in properties(report) {
            lines.append("      <property\(attributes([("name", name), ("value", value)]))/>")
        }
        lines.append("    </properties>")
        for edge in report.edges { lines += self.edge(edge, report) }
        for line in report.forbidden { lines += forbidden(line) }
        if let notes = report.notes, !notes.isEmpty {
            lines.append("    <system-out>\(escape(notes.joined(separator: "\n")))</system-out>")
        }
        let silent = report.nodes.filter { $0.facts == nil }
        if !silent.isEmpty {
            let text = silent.map {
                "\($0.node) did not answer: \($0.problem ?? "no reason known")"
            }
            lines.append("    <system-err>\(escape(text.joined(separator: "\n")))</system-err>")
        }
        return (lines + ["  </testsuite>", "</testsuites>", ""]).joined(separator: "\n")
    }

    private static func properties(_ report: VerifyReport) -> [(String, String)] {
        [
            ("run", report.run), ("meshID", report.meshID), ("topology", report.topology.file),
            ("topologyDigest", report.topology.digest), ("required", report.required.rawValue),
        ] + (report.receipt.map { [("receipt", "\($0)")] } ?? [])
    }

    private static func edge(_ edge: EdgeVerdict, _ report: VerifyReport) -> [String] {
        let head = attributes([
            ("classname", edge.paths.isEmpty ? "no path" : edge.paths.joined(separator: ",")),
            ("name", "\(edge.id) (\(edge.via.rawValue))"), ("time", "0"),
        ])
        let state = "\(edge.verdict.rawValue), level \(edge.level.rawValue)"
        let body = ([state] + edge.findings.flatMap { text($0, "") } + edge.carriers)
            .joined(separator: "\n")
        if VerifyView.isGood(edge, report) {
            return [
                "    <testcase\(head)>", "      <system-out>\(escape(body))</system-out>",
                "    </testcase>",
            ]
        }
        let isShort = edge.verdict == .encrypted
        return failed(
            head, type: isShort ? "level" : edge.verdict.rawValue,
            message: edge.findings.first?.message
                ?? (isShort ? "\(state), and \(report.required.rawValue) was asked for" : state),
            body)
    }

    private static func forbidden(_ line: ForbidVerdict) -> [String] {
        let head = attributes([("classname", "forbid"), ("name", line.id), ("time", "0")])
        let body = ([line.state.rawValue] + line.findings.flatMap { text($0, "") })
            .joined(separator: "\n")
        let message = line.findings.first?.message ?? line.state.rawValue
        switch line.state {
        case .holds, .guarded: return ["    <testcase\(head)/>"]
        case .broken: return failed(head, type: line.state.rawValue, message: message, body)
        case .untested:
            return [
                "    <testcase\(head)>", "      <skipped\(attributes([("message", message)]))/>",
                "      <system-out>\(escape(body))</system-out>", "    </testcase>",
            ]
        }
    }

    private static func failed(
        _ head: String, type: String, message: String, _ body: String
    ) -> [String] {
        let why = attributes([("type", type), ("message", message)])
        return [
            "    <testcase\(head)>", "      <failure\(why)>\(escape(body))</failure>",
            "    </testcase>",
        ]
    }

    /// A finding and what follows from it, a line each.
    private static func text(_ finding: Finding, _ margin: String) -> [String] {
        let node = finding.node.map { " on \($0)" } ?? ""
        var lines = [
            "\(margin)\(finding.severity.rawValue) \(finding.code.rawValue)\(node): \(finding.message)"
        ]
        if !finding.why.isEmpty { lines.append("\(margin)  why: \(finding.why)") }
        if !finding.fix.isEmpty { lines.append("\(margin)  fix: \(finding.fix)") }
        return lines + finding.consequences.flatMap { text($0, margin + "  ") }
    }

    /// Seconds with three digits behind the point, and never in the form of a power.
    private static func seconds(_ value: Double) -> String {
        let thousandths = value > 0 ? Int(min(value, 1e9) * 1000) : 0
        let digits = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }

    private static func attributes(_ pairs: [(String, String)]) -> String {
        pairs.map { " \($0)=\"\(escape($1))\"" }.joined()
    }

    /// Text that may stand in an element or in an attribute; what XML cannot hold at all becomes U+FFFD.
    private static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: escaped += "&amp;"
            case 0x3c: escaped += "&lt;"
            case 0x3e: escaped += "&gt;"
            case 0x22: escaped += "&quot;"
            // As references, because a reader of attributes turns them into spaces otherwise.
            case 0x09, 0x0a, 0x0d: escaped += "&#\(scalar.value);"
            case 0..<0x20, 0x7f...0x84, 0x86...0x9f, 0xfffe, 0xffff: escaped += "\u{fffd}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
