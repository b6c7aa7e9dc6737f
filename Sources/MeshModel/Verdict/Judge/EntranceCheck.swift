/// Does anything but loopback lead into the tunnel, on the node where it begins?
enum EntranceCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let end = view.edge.from
        var ports: Set<UInt16> = []
        for case .tcp(let entrance) in view.edge.tunnel?.entrances ?? [] {
            ports.insert(entrance.port)
        }
        guard !ports.isEmpty,
            let sockets = view.section(
                \.sockets, "sockets", of: end.node, for: .configured, &inspection)
        else { return inspection }
        let listeners = sockets.filter(\.isOwn).flatMap(\.listeners).filter {
            $0.kind != .udp && ports.contains($0.local.port)
        }
        let within = listeners.filter { $0.local.unmapped.address.isLoopback }
        if within.isEmpty {
            inspection.fail(
                .configured,
                Finding(
                    .tunnelDown, .serious, on: end.node,
                    "nothing listens at the tunnel's entrance on \(end.node)",
                    fix: "meshproof tunnel ls"))
        }
        let holders = Set(within.compactMap(\.process))
        for listener in listeners where !listener.local.unmapped.address.isLoopback {
            judge(listener, holders, end, view, &inspection)
        }
        return inspection
    }

    /// What listens on every address takes connections that are meant for the entrance, or leads others to it. On one
    /// address of its own it may be another service with the same port.
    private static func judge(
        _ listener: SocketFact, _ holders: Set<String>, _ end: EdgeEnd, _ view: EdgeView,
        _ inspection: inout Inspection
    ) {
        let isOther = listener.process.map { !holders.contains($0) } ?? false
        let isElsewhere = isOther && !listener.local.address.isUnspecified
        let isClosed = GuardCheck.holds(on: end, view)
        if isElsewhere && isClosed { return }
        let message =
            "\(listener.process ?? "something") on \(end.node) listens at the entrance's port on \(listener.local)"
        if isElsewhere || isClosed {
            inspection.fail(
                .enforced,
                Finding(
                    isElsewhere ? .listensTooWide : .openEntrance, .minor, on: end.node,
                    message + (isClosed ? "; the guard closes it" : ""),
                    fix:
                        "ss -ltnp sport = \(listener.local.port)   # on \(end.node): bind it elsewhere"
                ))
        } else {
            inspection.fail(
                .configured,
                Finding(
                    .openEntrance, .critical, on: end.node, message,
                    fix: "bind it to 127.0.0.1, or turn the guard on: guard: on"))
        }
    }
}
