/// What must not be reachable, against what must.
struct ForbidChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    private struct Pair: Hashable {
        var from: String
        var to: String
    }

    func run() {
        let allowed = allowedPairs()
        var first: [Pair: Mark] = [:]
        for line in draft.forbid {
            let pair = Pair(from: line.from.value, to: line.to.value)
            if let earlier = first[pair] {
                sink.error(
                    "`\(pair.from) -> \(pair.to)` is already forbidden", at: line.from.mark,
                    fix: "remove one; the first is on line \(earlier.line)")
                continue
            }
            first[pair] = line.from.mark
            check(line, allowed)
        }
    }

    private func check(_ line: DraftForbidden, _ allowed: [Pair: DraftEdge]) {
        let isFromKnown = names.isKnown(line.from.value)
        let isToKnown = names.isKnown(line.to.value)
        if !isFromKnown { names.reportUnknownParty(line.from) }
        if !isToKnown { names.reportUnknownParty(line.to) }
        guard let from = names.owner(line.from.value)?.name.value,
            let to = names.owner(line.to.value)?.name.value
        else { return }
        if from == to {
            sink.error(
                "`\(line.from.value) -> \(line.to.value)` stays on one node, `\(from)`, where nothing"
                    + " can forbid it", at: line.from.mark, fix: "forbid pairs on different nodes")
            return
        }
        if let edge = allowed[Pair(from: from, to: line.to.value)] {
            let same = edge.from.value == line.from.value && edge.to.value == line.to.value
            let why = same ? "" : " (what counts is the node: `\(from)`)"
            sink.error(
                "`\(line.from.value) -> \(line.to.value)` is forbidden, and the edge \(edge.id) on line"
                    + " \(edge.mark.line) needs it\(why)", at: line.from.mark,
                fix: "remove this line, or that edge")
        }
    }

    /// What each edge allows, by the node it comes from: to its service, and to that service's node. On the wire
    /// and in the kernel a service that calls is no more than the node it is on.
    private func allowedPairs() -> [Pair: DraftEdge] {
        var allowed: [Pair: DraftEdge] = [:]
        for edge in draft.paths.flatMap(\.edges) {
            guard let from = names.owner(edge.from.value)?.name.value else { continue }
            var targets = [edge.to.value]
            if names.service(edge.to.value) != nil, let to = names.owner(edge.to.value) {
                targets.append(to.name.value)
            }
            for target in targets {
                let pair = Pair(from: from, to: target)
                allowed[pair] = allowed[pair] ?? edge
            }
        }
        return allowed
    }
}
