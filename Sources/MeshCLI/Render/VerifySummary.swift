import MeshModel

/// A report in a sentence or two.
struct VerifySummary {
    let text: String
    /// Whether all is as asked, and there was something to ask about.
    let isGood: Bool
    /// Whether a `forbid` line is broken.
    let isBroken: Bool

    /// More names than this do not help to see what is wrong.
    private static let mostNames = 4

    init(_ report: VerifyReport) {
        let bad = report.edges.filter { !VerifyView.isGood($0, report) }
        let broken = report.forbidden.filter { $0.state == .broken }
        let untested = report.forbidden.filter { $0.state == .untested }
        isBroken = !broken.isEmpty
        isGood = report.isProven && !report.edges.isEmpty
        var sentences: [String] = []
        let count = report.edges.count
        if count == 0 {
            sentences.append("No edge was verified: nothing is proven.")
        } else if bad.isEmpty {
            let level = report.edges.map(\.level).min() ?? .declared
            sentences.append(
                count == 1
                    ? "The edge is encrypted (level \(level.rawValue))."
                    : "All \(count) edges are encrypted (level \(level.rawValue)).")
        } else {
            sentences.append(
                "\(bad.count) of \(Human.count(count, "edge")) \(bad.count == 1 ? "is" : "are") not encrypted as asked: "
                    + Self.names(bad.map { "\($0.id) (\(Self.reason($0)))" }) + ".")
        }
        if isBroken {
            sentences.append(
                "\(Human.count(broken.count, "forbid line")) \(broken.count == 1 ? "is" : "are") broken: "
                    + Self.names(broken.map(\.id)) + ".")
        }
        if !untested.isEmpty {
            sentences.append(
                "\(Human.count(untested.count, "forbid line")) could not be tried: "
                    + Self.names(untested.map(\.id)) + ".")
        }
        text = TextWrap.plain(sentences.joined(separator: " "))
    }

    private static func reason(_ edge: EdgeVerdict) -> String {
        edge.verdict == .encrypted ? "\(edge.level.rawValue) only" : edge.verdict.rawValue
    }

    private static func names(_ names: [String]) -> String {
        let more = names.count - mostNames
        return names.prefix(mostNames).joined(separator: ", ")
            + (more > 0 ? " and \(more) more" : "")
    }
}
