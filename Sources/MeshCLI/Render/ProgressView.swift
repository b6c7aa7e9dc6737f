import MeshController
import Synchronization

/// A line a node: rewritten in place on a terminal, printed once at the end elsewhere.
package final class ProgressView: Progress {
    private struct Line {
        var text: String
        var good: Bool?
    }

    private struct State {
        var order: [String] = []
        var lines: [String: Line] = [:]
        var drawn = 0
    }

    /// More nodes than this and only those that are through get a line: a terminal of 24 rows must hold all.
    private static let liveLimit = 20

    private let output: Output
    private let quiet: Bool
    private let state = Mutex(State())

    package init(_ output: Output, quiet: Bool) {
        self.output = output
        self.quiet = quiet
    }

    package func working(_ node: String, _ phase: String) {
        update(node, Line(text: phase, good: nil))
    }

    package func finished(_ node: String, _ text: String, good: Bool) {
        update(node, Line(text: text, good: good))
    }

    package func note(_ text: String) {
        if quiet { return }
        state.withLock { state in
            erase(&state)
            output.hang("  \(output.style.yellow("!")) ", text)
            draw(&state)
        }
    }

    /// Leaves what stands there and starts anew below it.
    package func end() {
        state.withLock { $0 = State() }
    }

    private func update(_ node: String, _ line: Line) {
        if quiet { return }
        state.withLock { state in
            if state.lines[node] == nil { state.order.append(node) }
            state.lines[node] = line
            if isLive(state) {
                erase(&state)
                draw(&state)
                return
            }
            if state.drawn > 0 {
                // One too many for live lines: what was through is said again, and will not be overwritten any more.
                erase(&state)
                for name in state.order where name != node {
                    guard let line = state.lines[name], line.good != nil else { continue }
                    output.line(render(name, line, nameWidth: 0))
                }
            }
            if line.good != nil { output.line(render(node, line, nameWidth: 0)) }
        }
    }

    private func isLive(_ state: State) -> Bool {
        output.canRewrite && state.order.count <= Self.liveLimit
    }

    private func erase(_ state: inout State) {
        if state.drawn > 0 { output.write("\u{1b}[\(state.drawn)A\u{1b}[J") }
        state.drawn = 0
    }

    private func draw(_ state: inout State) {
        guard isLive(state) else { return }
        let width = state.order.map(\.count).max() ?? 0
        for node in state.order {
            guard let line = state.lines[node] else { continue }
            output.line(render(node, line, nameWidth: width))
        }
        state.drawn = state.order.count
    }

    private func render(_ node: String, _ line: Line, nameWidth: Int) -> String {
        let mark = line.good.map(output.style.mark) ?? output.style.cyan("·")
        let name = node.padding(to: nameWidth)
        // Without a terminal nothing is cut: a log keeps the whole message.
        let room = output.canRewrite ? output.width - max(nameWidth, node.count) - 7 : Int.max
        return "  \(mark) \(output.style.bold(name))  \(TextWrap.clip(line.text, width: room))"
    }
}
