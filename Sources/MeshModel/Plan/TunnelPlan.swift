/// The steps that concern tunnels. The server comes first, so that what it serves has somebody to talk to; what is
/// no longer wanted goes last.
enum TunnelPlan {
    static func steps(desired: DesiredNode, observed: ObservedNode) -> [PlanStep] {
        var steps: [PlanStep] = []
        let there = Dictionary(
            observed.tunnels.map { ($0.tunnel.edge, $0.tunnel) }, uniquingKeysWith: { $1 })
        if let server = desired.tunnelServer {
            let differences = observed.tunnelServer?.differences ?? ["no tunnel server"]
            if !differences.isEmpty {
                steps.append(
                    PlanStep(
                        .setTunnelServer(server: server),
                        reason: differences.joined(separator: "; ")))
            }
        }
        for tunnel in desired.tunnels {
            guard let found = there[tunnel.edge] else {
                steps.append(PlanStep(.openTunnel(tunnel: tunnel), reason: "no such tunnel"))
                continue
            }
            if found != tunnel {
                steps.append(
                    PlanStep(.changeTunnel(tunnel: tunnel), reason: contrast(found, tunnel)))
            }
        }
        let wanted = Set(desired.tunnels.map(\.edge))
        for tunnel in observed.tunnels where !wanted.contains(tunnel.tunnel.edge) {
            steps.append(
                PlanStep(.closeTunnel(edge: tunnel.tunnel.edge), reason: "not in the document"))
        }
        if desired.tunnelServer == nil && observed.tunnelServer != nil {
            steps.append(PlanStep(.removeTunnelServer, reason: "no tunnel ends here any more"))
        }
        return steps
    }

    private static func contrast(_ found: DesiredTunnel, _ want: DesiredTunnel) -> String {
        var parts: [String] = []
        func compare(_ what: String, _ found: String, _ want: String) {
            if found != want { parts.append("\(what) is \(found), want \(want)") }
        }
        func list(_ values: [some CustomStringConvertible]) -> String {
            values.map(\.description).joined(separator: " and ")
        }
        compare("the server", "\(found.server)", "\(want.server)")
        compare("the target", "\(found.target)", "\(want.target)")
        compare("the entrance", list(found.entrances), list(want.entrances))
        compare("our key", "\(found.clientKey.short)…", "\(want.clientKey.short)…")
        compare(
            "the host key", list(found.hostKeys.map(\.short)), list(want.hostKeys.map(\.short)))
        compare("the user", found.user, want.user)
        compare("the node", found.node, want.node)
        compare("the way", found.way.rawValue, want.way.rawValue)
        return parts.joined(separator: "; ")
    }
}
