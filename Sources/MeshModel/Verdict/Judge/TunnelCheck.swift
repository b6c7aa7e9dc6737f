/// Is the SSH tunnel the one that is wanted, does it stand, and with what?
enum TunnelCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        guard let wanted = view.edge.tunnel else {
            inspection.fail(
                .configured,
                Finding(
                    .tunnelDown, .serious, on: view.edge.from.node,
                    "no tunnel is known for \(view.edge.id)", fix: "meshproof up"))
            return inspection
        }
        near(wanted, view, &inspection)
        far(view, &inspection)
        return inspection
    }

    private static func near(
        _ wanted: DesiredTunnel, _ view: EdgeView, _ inspection: inout Inspection
    ) {
        let node = view.edge.from.node
        guard
            let agent = view.section(\.agent, "agent", of: node, for: .configured, &inspection)
        else { return }
        guard let tunnel = agent.tunnels.first(where: { $0.tunnel.edge == wanted.edge }) else {
            inspection.fail(
                .configured,
                Finding(
                    .tunnelDown, .serious, on: node, "\(node) has no tunnel for \(wanted.edge)",
                    fix: "meshproof up"))
            return
        }
        // During a rotation both are the controller's own words.
        let former = view.edge.formerTunnel
        let wanted = former == tunnel.tunnel ? former ?? wanted : wanted
        if tunnel.tunnel != wanted {
            inspection.fail(
                .configured,
                Finding(
                    .drift, .serious, on: node,
                    "the tunnel for \(wanted.edge) on \(node) is not as the topology has it",
                    fix: "meshproof up"))
        }
        for case .tcp(let entrance) in tunnel.tunnel.entrances + tunnel.listening
        where !entrance.unmapped.address.isLoopback {
            inspection.fail(
                .configured,
                Finding(
                    .openEntrance, .critical, on: node,
                    "the tunnel for \(wanted.edge) on \(node) begins at \(entrance)",
                    fix: "meshproof up   # it begins at loopback or a unix socket"))
        }
        if tunnel.state != .up || tunnel.listening.isEmpty {
            let problem = tunnel.problems.first
            inspection.fail(
                .live,
                Finding(
                    .tunnelDown, .serious, on: node,
                    "the tunnel for \(wanted.edge) on \(node) is \(tunnel.state.rawValue)\(problem.map { ": \($0.message)" } ?? "")",
                    fix: problem?.fix ?? "meshproof tunnel ls"))
            return
        }
        session(tunnel, wanted, node, &inspection)
        counters(tunnel, node, view, &inspection)
    }

    /// *Source:* what meshproof's own tunnels offer; a session with anything else is not theirs.
    private static let exchanges = [
        "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256", "curve25519-sha256@libssh.org",
    ]
    private static let ciphers = ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]

    private static func session(
        _ tunnel: ObservedTunnel, _ wanted: DesiredTunnel, _ node: String,
        _ inspection: inout Inspection
    ) {
        guard let session = tunnel.algorithms else {
            inspection.fail(
                .live,
                Finding(
                    .notLookedAt, .serious, on: node,
                    "what the session for \(wanted.edge) negotiated is not known",
                    fix: "meshproof up   # the same version everywhere"))
            return
        }
        let weak =
            [session.keyExchange].filter { !exchanges.contains($0) }
            + [session.cipherOut, session.cipherIn].filter { !ciphers.contains($0) }
        if !weak.isEmpty {
            inspection.fail(
                .live,
                Finding(
                    .weakSSH, .serious, on: node,
                    "the session for \(wanted.edge) uses \(weak.listed)",
                    fix: "meshproof up   # on both nodes, the same version"))
        }
        if !wanted.hostKeys.contains(session.hostKey) || session.hostKey == .zero {
            inspection.fail(
                .live,
                Finding(
                    .hostKeyMismatch, .serious, on: node,
                    "the session for \(wanted.edge) ends at a server with the key \(session.hostKey.short), and \(wanted.hostKeys.map(\.short).listed) is pinned",
                    fix: "who answers at \(wanted.server)? then meshproof up"))
        }
    }

    private static func counters(
        _ tunnel: ObservedTunnel, _ node: String, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        guard view.isProbed, !view.answered.isEmpty,
            tunnel.sent < view.sent || tunnel.received < view.received
        else { return }
        inspection.fail(
            .live,
            Finding(
                .countersStill, .serious, on: node,
                "the tunnel for \(view.edge.id) carried \(tunnel.sent) bytes, and the probe sent \(view.sent)",
                fix: "who else listens at the entrance? ss -ltnp   # on \(node)"))
    }

    private static func far(_ view: EdgeView, _ inspection: inout Inspection) {
        let node = view.edge.to.node
        guard
            let agent = view.section(\.agent, "agent", of: node, for: .configured, &inspection)
        else { return }
        guard let server = agent.tunnelServer, server.process != nil, server.problem == nil else {
            let problem = agent.tunnelServer?.problem
            inspection.fail(
                .configured,
                Finding(
                    .tunnelDown, .serious, on: node,
                    "the tunnel server of \(node) does not run\(problem.map { ": \($0.message)" } ?? "")",
                    fix: problem?.fix ?? "meshproof up"))
            return
        }
        if !server.differences.isEmpty {
            inspection.fail(
                .configured,
                Finding(
                    .drift, .serious, on: node,
                    "the tunnel server of \(node) is not as it should be: \(server.differences.listed)",
                    fix: "meshproof up"))
        }
    }
}
