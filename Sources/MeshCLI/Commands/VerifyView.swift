package import MeshModel

/// What a run of `verify` concludes, for people.
package enum VerifyView {
    /// The whole report.
    ///
    /// - Parameters:
    ///   - validUntil: until when the report's receipt holds, where there is one. *Units:* seconds since 1970.
    ///   - isDetailed: whether what carried each edge is shown too, as a receipt's reader wants it.
    package static func lines(
        _ report: VerifyReport, style: Style, width: Int, validUntil: Double? = nil,
        isDetailed: Bool = false
    ) -> [String] {
        var painter = VerifyPainter(report, style: style, width: width, isDetailed: isDetailed)
        var lines = painter.heading()
        for path in painter.paths { lines += painter.path(path) }
        lines += painter.forbidden()
        lines += painter.silent()
        lines += painter.notes()
        return lines + [""] + painter.conclusion(validUntil: validUntil)
    }

    /// The last line alone: what a tired person, a log or a commit message needs.
    package static func conclusion(_ report: VerifyReport, validUntil: Double? = nil) -> String {
        let painter = VerifyPainter(
            report, style: Style(color: false), width: Int.max / 2, isDetailed: false)
        return painter.conclusion(validUntil: validUntil).joined(separator: " ")
    }

    /// `6 of 6`: how many edges are encrypted as asked.
    package static func count(_ report: VerifyReport) -> String {
        let good = report.edges.filter { isGood($0, report) }.count
        return "\(good) of \(report.edges.count)"
    }

    /// Whether an edge is encrypted at the level that was asked for.
    static func isGood(_ edge: EdgeVerdict, _ report: VerifyReport) -> Bool {
        edge.verdict == .encrypted && edge.level >= report.required
    }
}

extension Verdict {
    /// The mark and the colour that a verdict has everywhere.
    func paint(_ text: String, _ style: Style) -> String {
        switch self {
        case .encrypted: style.green(text)
        case .exposed: style.red(text)
        case .down, .unproven: style.yellow(text)
        }
    }

    /// One character, readable without colour.
    var mark: String {
        switch self {
        case .encrypted: "✓"
        case .exposed: "✗"
        case .unproven: "!"
        case .down: "↓"
        }
    }
}
