/// Did what was sent through the edge show in WireGuard's counters at both ends?
enum CounterCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        if view.isProbed && view.answered.isEmpty {
            inspection.miss(.live)
            return inspection
        }
        let sound = LinkCheck.sound(view).flatMap { $0 }
        if sound.isEmpty { inspection.miss(.live) }
        // Without a probe, that anything moved is all that can be asked.
        let sent = view.isProbed ? max(view.sent, 1) : 1
        let received = view.isProbed ? view.received : 1
        for (near, far) in view.hops {
            let links = sound.filter { Set([$0.a.node, $0.b.node]) == Set([near, far]) }
            hold(near, to: far, links, \.txBytes, "sent to", sent, view, &inspection)
            hold(far, to: near, links, \.rxBytes, "received from", sent, view, &inspection)
            hold(far, to: near, links, \.txBytes, "sent to", received, view, &inspection)
            hold(near, to: far, links, \.rxBytes, "received from", received, view, &inspection)
        }
        return inspection
    }

    private static func hold(
        _ node: String, to other: String, _ links: [MeshLinkCase],
        _ counter: KeyPath<ObservedPeer, UInt64>, _ what: String, _ wanted: UInt64,
        _ view: EdgeView, _ inspection: inout Inspection
    ) {
        guard view.watched.contains(node), !links.isEmpty else { return }
        guard
            let earlier = view.section(
                \.earlierInterfaces, "earlierInterfaces", of: node, for: .live, &inspection),
            let later = view.section(
                \.interfaces, "interfaces", of: node, for: .live, &inspection)
        else { return }
        // During a rotation packets take either generation.
        let risen = links.reduce(UInt64(0)) { sum, link in
            let key = link.a.node == other ? link.a.key : link.b.key
            func read(_ interfaces: [ObservedInterface]) -> UInt64? {
                interfaces.first { $0.name == link.interface }?.device?.peers
                    .first { $0.publicKey == key }?[keyPath: counter]
            }
            guard let before = read(earlier), let after = read(later), after > before else {
                return sum
            }
            return sum &+ (after - before)
        }
        if risen < wanted {
            inspection.fail(
                .live,
                Finding(
                    .countersStill, .serious, on: node,
                    view.isProbed
                        ? "WireGuard on \(node) \(what) \(other) \(risen) bytes, and the probe took \(wanted)"
                        : "WireGuard on \(node) \(what) \(other) nothing while it was watched",
                    fix: "ip route get ADDRESS   # on \(node), for \(other)'s overlay address"))
        }
    }
}
