/// One edge and the evidence for it, with the questions that several checks ask.
struct EdgeView {
    /// The edge.
    let edge: EdgeCase
    /// All that the run gathered.
    let evidence: Evidence
    /// The time. *Units:* seconds since 1970.
    let now: Double
    /// The nodes whose word is needed: the managed ends, and the hub.
    let watched: [String]
    /// The facts of every node of the run, by name: what passes on the wire may show anywhere.
    let everybody: [NodeFacts]
    /// Every probe of the run, whoever put it.
    let allProbes: [ProbeFact]
    /// The edge's own probes, put by its `from` node to where its connections go.
    let ownProbes: [ProbeFact]
    /// Those that were answered.
    let answered: [ProbeFact]

    init(_ edge: EdgeCase, _ evidence: Evidence, now: Double) {
        self.edge = edge
        self.evidence = evidence
        self.now = now
        var watched = [edge.from, edge.to].filter(\.managed).map(\.node)
        if let hub = edge.hub { watched.append(hub) }
        self.watched = watched.enumerated().filter { place, node in
            watched.firstIndex(of: node) == place
        }.map(\.element)
        everybody = evidence.facts.keys.sorted().compactMap { Self.facts($0, evidence) }
        allProbes = everybody.flatMap { $0.probes ?? [] } + evidence.controllerProbes
        ownProbes = Self.ownProbes(edge, evidence)
        answered = ownProbes.filter { $0.outcome == .answered }
    }

    /// A node's facts, or nil where they are missing or not of this run.
    func facts(_ node: String) -> NodeFacts? { Self.facts(node, evidence) }

    private static func facts(_ node: String, _ evidence: Evidence) -> NodeFacts? {
        guard let facts = evidence.facts[node], facts.node == node, facts.nonce == evidence.nonce,
            facts.meshID == evidence.meshID
        else { return nil }
        return facts
    }

    /// One section of a node's facts; where it was not looked at, that is noted, and the rung is not reached.
    func section<Section>(
        _ path: KeyPath<NodeFacts, Section?>, _ name: String, of node: String,
        for rung: EvidenceLevel, _ inspection: inout Inspection
    ) -> Section? {
        guard let facts = facts(node) else {
            inspection.miss(rung)
            return nil
        }
        let failures = facts.failures.filter { $0.section == name }
        for failure in failures {
            inspection.fail(
                rung,
                Finding(
                    .notLookedAt, .serious, on: node, "\(name) of \(node): \(failure.message)",
                    fix: failure.fix))
        }
        let section = facts[keyPath: path]
        if section == nil, failures.isEmpty {
            inspection.fail(
                rung,
                Finding(
                    .notLookedAt, .serious, on: node, "\(name) of \(node): not looked at",
                    fix: "meshproof up   # the same version everywhere, then verify again"))
        }
        return section
    }

    // MARK: ends

    /// The end that is on a node, or nil for the hub.
    func end(_ node: String) -> EdgeEnd? {
        [edge.from, edge.to].first { $0.node == node }
    }

    /// Whether both ends are on one machine.
    var isWithinHost: Bool { edge.from.node == edge.to.node }
    /// Whether an end cannot be asked.
    var isOneEnded: Bool { !edge.from.managed || !edge.to.managed }
    /// Whether the run probed the edge; otherwise real traffic stands in.
    var isProbed: Bool { evidence.passive == nil && edge.from.managed }

    /// The overlay addresses that packets which leave `node` towards `neighbour` may be for.
    func beyond(_ neighbour: String, from node: String) -> [IPAddress] {
        if let end = end(neighbour) { return end.overlay }
        return node == edge.from.node ? edge.to.overlay : edge.from.overlay
    }

    /// The pairs of nodes between which the edge's packets pass.
    var hops: [(near: String, far: String)] {
        guard let hub = edge.hub else { return [(edge.from.node, edge.to.node)] }
        return [(edge.from.node, hub), (hub, edge.to.node)]
    }

    /// Every pair of the edge's nodes, for what may not pass between any two of them.
    func isOurs(_ one: String, _ other: String) -> Bool {
        let nodes = [edge.from.node, edge.to.node] + (edge.hub.map { [$0] } ?? [])
        return one != other && nodes.contains(one) && nodes.contains(other)
    }

    // MARK: probes

    private static func ownProbes(_ edge: EdgeCase, _ evidence: Evidence) -> [ProbeFact] {
        (facts(edge.from.node, evidence)?.probes ?? []).filter { probe in
            probe.order.edge == edge.id && probe.order.purpose == .edge
                && probe.vantage == edge.from.node && isTarget(probe.order.target, of: edge)
        }
    }

    /// A probe that went elsewhere says nothing of the edge.
    private static func isTarget(_ target: TunnelEnd, of edge: EdgeCase) -> Bool {
        switch (edge.via, target) {
        case (.wireguard, .tcp(let place)):
            place.port == edge.service.port && edge.to.overlay.contains(place.address)
        case (.ssh, _): edge.tunnel?.entrances.contains(target) ?? false
        case (.local, .tcp(let place)):
            place.port == edge.service.port
                && (place.address.isLoopback || edge.to.overlay.contains(place.address)
                    || edge.service.bind == .address(place.address))
        case (.local, .unix), (.tls, .unix), (.mtls, .unix):
            edge.service.bind == target.unixPath.map { .unix($0) }
        case (.tls, .tcp(let place)), (.mtls, .tcp(let place)):
            place.port == edge.service.port
        case (.wireguard, .unix): false
        }
    }

    /// Our own ends of the connections that the edge's probes made.
    var probeEnds: Set<SocketEndpoint> { Set(answered.flatMap(\.localEnds).map(\.unmapped)) }
    /// What the answered probes sent. *Units:* bytes of payload.
    var sent: UInt64 { answered.reduce(0) { $0 &+ $1.sent } }
    /// What they received.
    var received: UInt64 { answered.reduce(0) { $0 &+ $1.received } }
}

extension TunnelEnd {
    /// The path, where it is a unix socket.
    var unixPath: String? {
        if case .unix(let path) = self { return path }
        return nil
    }
}

extension IPAddress {
    /// The IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d, else itself.
    var unmapped: IPAddress {
        guard family == .ipv6, high == 0, low >> 32 == 0xffff else { return self }
        return IPAddress(family: .ipv4, high: 0, low: low)
    }
}

extension SocketEndpoint {
    /// With its address unmapped.
    var unmapped: SocketEndpoint { SocketEndpoint(address.unmapped, port) }
}

extension Sequence<String> {
    /// `a, b and c`, at most four of them.
    var listed: String {
        let all = Array(self)
        let shown = all.prefix(4).joined(separator: ", ")
        return all.count > 4 ? "\(shown) and \(all.count - 4) more" : shown
    }
}
