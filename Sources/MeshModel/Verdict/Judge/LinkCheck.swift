/// Are both ends of the WireGuard link set up: device, address, keys, and who owns the overlay addresses?
enum LinkCheck {
    static func inspect(_ view: EdgeView) -> Inspection {
        var inspection = Inspection()
        let generations = self.generations(view)
        if generations.isEmpty {
            inspection.fail(
                .configured,
                Finding(
                    .notLookedAt, .serious, on: nil,
                    view.isWithinHost
                        ? "both ends are on \(view.edge.to.node): there is no link to judge"
                        : "no WireGuard link is known between the two ends",
                    fix: view.isWithinHost ? "make it `via: local`" : "meshproof up"))
        }
        let isAnySound = generations.contains(where: \.isSound)
        if !isAnySound { inspection.miss(.configured) }
        for problem in generations.flatMap(\.problems) {
            var problem = problem
            // During a rotation one generation carries the edge while the other is not there yet, or not any more.
            if isAnySound { problem.severity = .minor }
            inspection.note(problem)
        }
        return inspection
    }

    /// The links of one generation, and what is wrong with them.
    struct Generation {
        var links: [MeshLinkCase]
        var isSound: Bool
        var problems: [Finding]
    }

    /// Every generation, the first one first.
    static func generations(_ view: EdgeView) -> [Generation] {
        let groups = Dictionary(grouping: view.edge.links, by: \.generation)
        return groups.keys.sorted().map { number in
            let links = groups[number] ?? []
            var inspection = Inspection()
            // Through a hub both legs must stand.
            for (near, far) in view.hops where link(near, far, in: links) == nil {
                inspection.fail(
                    .configured,
                    Finding(
                        .notLookedAt, .serious, on: near,
                        "no WireGuard link is known between \(near) and \(far)", fix: "meshproof up"
                    ))
            }
            for link in links {
                for (own, other) in [(link.a, link.b), (link.b, link.a)]
                where view.watched.contains(own.node) {
                    inspection.add(end(own, towards: other, link, view))
                }
            }
            return Generation(
                links: links, isSound: inspection.allows >= .configured,
                problems: inspection.findings)
        }
    }

    /// The links that are as they should be: what routes, handshakes and counters are held to.
    static func sound(_ view: EdgeView) -> [[MeshLinkCase]] {
        generations(view).filter(\.isSound).map(\.links)
    }

    private static func link(
        _ one: String, _ other: String, in links: [MeshLinkCase]
    ) -> MeshLinkCase? {
        links.first { Set([$0.a.node, $0.b.node]) == Set([one, other]) }
    }

    private static func end(
        _ own: LinkEnd, towards other: LinkEnd, _ link: MeshLinkCase, _ view: EdgeView
    ) -> Inspection {
        var inspection = Inspection()
        let node = own.node
        let name = link.interface
        guard
            let interfaces = view.section(
                \.interfaces, "interfaces", of: node, for: .configured, &inspection)
        else { return inspection }
        func fail(_ code: FindingCode, _ message: String, fix: String) {
            inspection.fail(.configured, Finding(code, .serious, on: node, message, fix: fix))
        }
        guard let interface = interfaces.first(where: { $0.name == name }) else {
            fail(.interfaceDown, "\(node) has no interface \(name)", fix: "meshproof up")
            return inspection
        }
        if !interface.isUp {
            fail(
                .interfaceDown, "\(name) on \(node) is down",
                fix: "ip link set \(name) up   # on \(node); or meshproof up")
        }
        if case .foreign(let kind) = interface.kind {
            fail(
                .notWireGuardDevice, "\(name) on \(node) is a \(kind) device, not WireGuard",
                fix: "ip link delete \(name)   # on \(node); then meshproof up")
            if interface.device == nil { return inspection }
        }
        let held = Set(interface.addresses.map(\.address))
        for address in view.end(node)?.overlay ?? [] where !held.contains(address) {
            fail(
                .interfaceDown, "\(name) on \(node) does not have \(address)", fix: "meshproof up")
        }
        guard let device = interface.device else {
            fail(
                .interfaceDown, "\(name) on \(node) does not answer as WireGuard",
                fix: "meshproof up")
            return inspection
        }
        if device.publicKey != own.key || own.key == .zero {
            fail(
                .keyMismatch,
                "\(name) on \(node) has the key \(device.publicKey?.short ?? "none"), and \(own.key.short) is expected",
                fix: "meshproof up")
        }
        if !device.peers.contains(where: { $0.publicKey == other.key }) || other.key == .zero {
            fail(
                .keyMismatch,
                "\(name) on \(node) has no peer with the key of \(other.node), \(other.key.short)",
                fix: "meshproof up")
            return inspection
        }
        owners(device, own, other, name, view, &inspection)
        return inspection
    }

    /// WireGuard hands a packet to the peer with the longest matching prefix, and takes one only from that peer.
    private static func owners(
        _ device: ObservedDevice, _ own: LinkEnd, _ other: LinkEnd, _ name: String,
        _ view: EdgeView, _ inspection: inout Inspection
    ) {
        for address in view.beyond(other.node, from: own.node) {
            func best(_ peers: [ObservedPeer]) -> Int? {
                peers.flatMap(\.allowedIPs).filter { $0.contains(address) }.map { Int($0.length) }
                    .max()
            }
            let right = best(device.peers.filter { $0.publicKey == other.key })
            let thieves = device.peers.filter { peer in
                guard peer.publicKey != other.key, let theirs = best([peer]) else { return false }
                return theirs >= right ?? 0
            }
            if let thief = thieves.first {
                inspection.fail(
                    .configured,
                    Finding(
                        .prefixStolen, .critical, on: own.node,
                        "on \(own.node) packets for \(address) go to the peer \(thief.publicKey.short), not to \(other.node)",
                        fix: "wg show \(name) allowed-ips   # on \(own.node); then meshproof up"))
            } else if right == nil {
                inspection.fail(
                    .configured,
                    Finding(
                        .drift, .serious, on: own.node,
                        "on \(own.node) the peer \(other.node) may not have \(address)",
                        fix: "meshproof up"))
            }
        }
    }
}
