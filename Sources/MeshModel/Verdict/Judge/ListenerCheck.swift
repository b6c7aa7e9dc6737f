/// Does the service listen, and no wider than it should?
enum ListenerCheck {
    static func inspect(_ view: EdgeView, for rung: EvidenceLevel) -> Inspection {
        var inspection = Inspection()
        let end = view.edge.to
        guard end.managed,
            let sockets = view.section(
                \.sockets, "sockets", of: end.node, for: rung, &inspection)
        else { return inspection }
        if let path = view.edge.service.bind.unixPath {
            if !sockets.flatMap(\.unixListeners).contains(where: { $0.path == path }) {
                inspection.fail(rung, absent("at \(path)", view))
            }
            return inspection
        }
        let port = view.edge.service.port
        let found = sockets.flatMap(\.listeners).filter {
            $0.kind != .udp && $0.local.port == port
        }
        if found.isEmpty && !isWithinContainer(sockets, view) {
            inspection.fail(
                rung,
                view.answered.isEmpty
                    ? absent("on port \(port)", view)
                    : Finding(
                        .rewritten, .serious, on: end.node,
                        "something answers for \(view.edge.service.name) on \(end.node) port \(port), and no process there listens",
                        fix: "nft list ruleset   # on \(end.node): what passes port \(port) on?"))
        }
        width(view, sockets, rung, &inspection)
        return inspection
    }

    private static func absent(_ place: String, _ view: EdgeView) -> Finding {
        let service = view.edge.service.name
        return Finding(
            .notListening, .serious, on: view.edge.to.node,
            "\(service) does not listen on \(view.edge.to.node) \(place)",
            fix: "start \(service), or correct its port in the topology")
    }

    /// Whether connections of the probe were passed to a listener in a container of the host.
    private static func isWithinContainer(
        _ sockets: [NamespaceSockets], _ view: EdgeView
    ) -> Bool {
        let facts = view.facts(view.edge.to.node)
        let reach = HostReach(facts)
        let ports = (facts?.tracked ?? []).filter { connection in
            view.probeEnds.contains(connection.source.unmapped)
                && reach.contains(connection.replySource.unmapped.address)
        }.map(\.replySource.port)
        return sockets.flatMap(\.listeners).contains { ports.contains($0.local.port) }
    }

    private static func width(
        _ view: EdgeView, _ sockets: [NamespaceSockets], _ rung: EvidenceLevel,
        _ inspection: inout Inspection
    ) {
        let edge = view.edge
        if GuardCheck.holds(on: edge.to, view) { return }
        // Another namespace has its own addresses; what leads into it is a matter of rules.
        let wide = sockets.filter(\.isOwn).flatMap(\.listeners).filter {
            $0.kind != .udp && $0.local.port == edge.service.port && isTooWide($0, edge)
        }
        guard let listener = wide.first else { return }
        inspection.fail(
            rung,
            Finding(
                .listensTooWide, .serious, on: edge.to.node,
                "\(listener.process ?? edge.service.name) on \(edge.to.node) listens on \(listener.local)",
                fix: "bind it to \(wanted(edge)), or turn the guard on: guard: on"))
    }

    private static func wanted(_ edge: EdgeCase) -> String {
        switch edge.service.bind {
        case .mesh: edge.to.overlay.map(\.description).listed
        case .address(let own): own.description
        case .any, .loopback, .unix: "127.0.0.1"
        }
    }

    private static func isTooWide(_ listener: SocketFact, _ edge: EdgeCase) -> Bool {
        let address = listener.local.unmapped.address
        if address.isLoopback { return false }
        switch edge.service.bind {
        case .any: return edge.via == .ssh || edge.via == .local
        case .loopback, .unix: return true
        case .mesh: return !edge.to.overlay.contains(address)
        case .address(let own): return address != own
        }
    }
}

extension Service.Bind {
    /// The path, where it is a unix socket.
    var unixPath: String? {
        if case .unix(let path) = self { return path }
        return nil
    }
}
