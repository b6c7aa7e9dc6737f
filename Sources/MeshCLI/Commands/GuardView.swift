import MeshController
import MeshModel
import NodeProtocol

/// Nodes' guards for people.
struct GuardView {
    let output: Output

    init(_ output: Output) { self.output = output }

    /// A node's guard in a word.
    func word(_ report: NodeReport) -> String {
        let style = output.style
        guard let found = report.observed.guard else { return "off" }
        if report.document?.guard == nil { return style.yellow("unwanted") }
        if found.problem != nil { return style.red("unknown") }
        if found.differences == ["there is none"] { return style.red("missing") }
        return found.differences.isEmpty ? style.green("on") : style.red("changed")
    }

    /// What the guards have dropped, a line each; what was never dropped is not worth one.
    func drops(_ report: StatusReport) {
        let style = output.style
        var table = Table(["DROPPED BY", "REASON", "PACKETS", "BYTES"], style)
        var isEmpty = true
        for node in report.nodes {
            for drop in node.report?.observed.guard?.drops ?? [] where drop.packets > 0 {
                table.add([
                    node.node, drop.reason.words, "\(drop.packets)", Human.bytes(drop.bytes),
                ])
                isEmpty = false
            }
        }
        if !isEmpty {
            output.line()
            table.lines(width: output.wrapWidth).forEach(output.line)
        }
        for node in report.nodes {
            guard let problem = node.report?.observed.guard?.problem else { continue }
            output.line()
            output.hang("  \(style.red("✗")) \(style.bold(node.node))  ", "the guard: \(problem)")
        }
    }
}

extension GuardDrop.Reason {
    /// What was dropped, for people.
    var words: String {
        switch self {
        case .undeclared: "from the mesh, declared by no edge"
        case .weakHost: "an overlay address, from outside the mesh"
        case .shield: "a declared service, from outside its transport"
        case .failClosed: "to the overlay, not by the mesh"
        case .forward: "forwarded into the mesh, declared by no edge"
        }
    }
}
