import MeshModel

/// Puts into words what has changed in how tunnels fare, so that the log tells the story once. Pure.
struct TunnelWatch {
    private var states: [String: ObservedTunnel.State] = [:]
    private var serverTrouble: TunnelProblem.Code?

    /// A line for the log.
    struct Line: Equatable {
        var text: String
        var isGood: Bool
    }

    /// What is new since the last look.
    mutating func note(_ observed: ObservedNode) -> [Line] {
        var lines: [Line] = []
        for tunnel in observed.tunnels {
            let edge = tunnel.tunnel.edge
            let before = states.updateValue(tunnel.state, forKey: edge)
            if before == tunnel.state { continue }
            switch tunnel.state {
            case .up: lines.append(Line(text: "tunnel \(edge) is up", isGood: true))
            // A first connect is no news; a loss is.
            case .connecting where before == nil: break
            case .connecting, .refused, .blocked:
                let why = tunnel.problems.first.map { ": \($0.message); \($0.fix)" } ?? ""
                lines.append(
                    Line(text: "tunnel \(edge) is \(tunnel.state.rawValue)\(why)", isGood: false))
            }
        }
        let edges = Set(observed.tunnels.map(\.tunnel.edge))
        states = states.filter { edges.contains($0.key) }
        let problem = observed.tunnelServer?.problem
        if let problem, problem.code != serverTrouble {
            lines.append(
                Line(text: "tunnel server: \(problem.message); \(problem.fix)", isGood: false))
        } else if problem == nil && serverTrouble != nil {
            lines.append(Line(text: "tunnel server: well again", isGood: true))
        }
        serverTrouble = problem?.code
        return lines
    }
}
