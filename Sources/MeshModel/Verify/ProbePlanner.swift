/// Plans the probes of a run: every edge's own, those that must be refused, and those of outsiders. Pure.
public struct ProbePlanner: Sendable {
    /// How long a probe may take. Those that must stay without an answer take all of it. *Units:* seconds.
    public static let patience: Double = 2
    /// Connections of each edge's probe, each from a source port of its own.
    static let connections = 3

    private let resolver: VerifyResolver
    private let cases: [EdgeCase]
    /// Nodes that answered and can put probes.
    private let able: [String]
    private let peers: [String: Set<String>]
    private let controllerNode: String?

    /// For the edges that are to be verified.
    ///
    /// - Parameter able: the managed nodes that answered.
    public init(_ resolver: VerifyResolver, _ cases: [EdgeCase], able: Set<String>) {
        self.resolver = resolver
        self.cases = cases
        self.able = resolver.topology.managedNodes.map(\.name).filter(able.contains)
        peers = resolver.inputs.documents.mapValues { document in
            Set(document.interfaces.flatMap(\.peers).map(\.node))
        }
        controllerNode = resolver.topology.managedNodes.first { $0.connect == .local }?.name
    }

    /// All of them, those for `forbid` lines only where they are asked for.
    public func plan(withForbidden isWhole: Bool = true) -> ProbePlan {
        var plan = ProbePlan()
        for edge in cases {
            if able.contains(edge.from.node) {
                plan.nodes[edge.from.node, default: []] += own(edge) + refusals(edge)
            }
            outsiders(edge, &plan)
        }
        if isWhole { forbids(&plan) }
        return plan
    }

    // MARK: an edge's own

    private func own(_ edge: EdgeCase) -> [ProbeOrder] {
        targets(edge).enumerated().map { number, target in
            let user = resolver.inputs.clients[edge.from.node]?[port(target)]
            return ProbeOrder(
                id: "\(edge.id)#\(number)", edge: edge.id, purpose: .edge, target: target,
                question: question(edge), canary: edge.canary, connections: Self.connections,
                user: user == 0 ? nil : user, timeout: Self.patience,
                speaks: edge.service.wireProtocol)
        }
    }

    /// Where the edge's own connections go: every address that a client could be told.
    private func targets(_ edge: EdgeCase) -> [TunnelEnd] {
        if let tunnel = edge.tunnel { return tunnel.entrances }
        let port = edge.service.port
        let addresses: [IPAddress]
        switch edge.via {
        case .wireguard: addresses = edge.to.overlay
        case .local:
            switch edge.service.bind {
            case .unix(let path): return [.unix(path)]
            case .any, .loopback: addresses = [.loopbackIPv4]
            case .mesh: addresses = edge.to.overlay
            case .address(let own): addresses = [own]
            }
        case .tls, .mtls:
            switch edge.service.bind {
            case .mesh: addresses = edge.to.overlay
            case .address(let own): addresses = [own]
            case .loopback: addresses = [.loopbackIPv4]
            case .unix(let path): return [.unix(path)]
            case .any:
                addresses = Array(edge.to.underlay.filter { !$0.isLinkLocal }.prefix(1))
            }
        case .ssh: return []
        }
        return addresses.map { .tcp(SocketEndpoint($0, port)) }
    }

    private func question(_ edge: EdgeCase) -> ProbeOrder.Question {
        let path: String
        if case .get(let own, _)? = ServiceCatalogue.kind(edge.service.kind)?.probe {
            path = own
        } else {
            path = "/"
        }
        if let tls = edge.tls {
            switch edge.service.wireProtocol {
            case .http, .https: return .http(path: path, tls: tls)
            case .postgres: return .postgres(tls: tls)
            case .redis, .grpc, .nfs, .tcp: return .tls(tls)
            }
        }
        switch edge.service.wireProtocol {
        case .http: return .http(path: path, tls: nil)
        case .postgres: return .postgres(tls: nil)
        case .redis: return .redis
        // The canary has to be readable inside, so it goes before any handshake that the service expects.
        case .https, .grpc, .nfs, .tcp: return .tcp
        }
    }

    // MARK: what must be refused

    private func refusals(_ edge: EdgeCase) -> [ProbeOrder] {
        var questions: [ProbeOrder.Question] = []
        if let tls = edge.tls {
            questions.append(edge.service.wireProtocol == .postgres ? .postgresPlain : .plainToTLS)
            if tls.isMutual { questions.append(.tlsWithoutCertificate(tls)) }
        }
        var orders = questions.flatMap { question in
            openings(edge).map { ($0, question) }
        }
        if let tunnel = edge.tunnel {
            orders.append((Self.elsewhere(tunnel.target), .tunnelElsewhere(tunnel: tunnel)))
        }
        return orders.enumerated().map { number, order in
            ProbeOrder(
                id: "\(edge.id)#r\(number)", edge: edge.id, purpose: .refusal, target: order.0,
                question: order.1, canary: "", timeout: Self.patience,
                speaks: edge.service.wireProtocol)
        }
    }

    /// Where a TLS service may be reached: what is refused at one address may be taken at the next.
    private func openings(_ edge: EdgeCase) -> [TunnelEnd] {
        let own = targets(edge)
        guard edge.service.bind == .any, edge.from.node != edge.to.node else { return own }
        let families = Set(resolver.underlay(of: edge.from.node).map(\.family))
        let others = edge.to.underlay.filter { address in
            // Where we have no address of a family, there is no way to try it.
            !address.isLinkLocal && (families.isEmpty || families.contains(address.family))
        }.map { TunnelEnd.tcp(SocketEndpoint($0, edge.service.port)) }
        return own + others.filter { !own.contains($0) }
    }

    /// A port of the target's own loopback that the tunnel is not for, and on which most likely something listens: SSH's.
    private static func elsewhere(_ target: TunnelEnd) -> TunnelEnd {
        let isSSH = target == .tcp(SocketEndpoint(.loopbackIPv4, Ownership.sshPort))
        return .tcp(SocketEndpoint(.loopbackIPv4, isSSH ? Ownership.nudgePort : Ownership.sshPort))
    }

    // MARK: outsiders

    /// Somebody else tries each way in that the edge leaves no reason for.
    private func outsiders(_ edge: EdgeCase, _ plan: inout ProbePlan) {
        var ways: [(node: EdgeEnd, port: UInt16)] = []
        if edge.tls == nil, edge.service.port != 0 { ways.append((edge.to, edge.service.port)) }
        if let tunnel = edge.tunnel {
            for case .tcp(let entrance) in tunnel.entrances.prefix(1) {
                ways.append((edge.from, entrance.port))
            }
        }
        for (number, way) in ways.enumerated() where way.node.managed {
            let vantage = vantage(for: way.node.node)
            for (step, probe) in knocks(edge, way.node, way.port, from: vantage).enumerated() {
                var probe = probe
                probe.id = "\(edge.id)#o\(number).\(step)"
                add(probe, to: vantage, &plan)
            }
            // The controller is one more outsider, unless it is the node itself; it has no right to knock.
            guard vantage != nil, controllerNode == nil else { continue }
            for (step, address) in way.node.underlay.filter({ !$0.isLinkLocal }).enumerated() {
                plan.controller.append(
                    outsider(
                        "\(edge.id)#c\(number).\(step)", edge, SocketEndpoint(address, way.port),
                        .connect))
            }
        }
        if let tunnel = edge.tunnel, tunnel.way == .underlay {
            let address = edge.to.underlay.first { !$0.isLinkLocal }
            if let address {
                add(
                    outsider(
                        "\(edge.id)#s", edge, SocketEndpoint(address, tunnel.server.port),
                        .strangerSSH(user: tunnel.user)), to: vantage(for: edge.to.node), &plan)
            }
        }
    }

    private func add(_ probe: ProbeOrder, to vantage: String?, _ plan: inout ProbePlan) {
        if let vantage {
            plan.nodes[vantage, default: []].append(probe)
        } else if controllerNode == nil {
            plan.controller.append(probe)
        }
    }

    /// Underlay addresses by the usual way; overlay and link-local ones by a packet made for the purpose.
    private func knocks(
        _ edge: EdgeCase, _ target: EdgeEnd, _ port: UInt16, from vantage: String?
    ) -> [ProbeOrder] {
        var probes = target.underlay.filter { !$0.isLinkLocal }.map {
            outsider("", edge, SocketEndpoint($0, port), .connect)
        }
        guard let hardware = resolver.inputs.faces[target.node]?.hardware.first else {
            return probes
        }
        let own = vantage.flatMap { resolver.inputs.faces[$0] }
        for address in target.overlay + target.underlay.filter(\.isLinkLocal) {
            // Without an address of its family there is nothing to knock with.
            guard own?.underlay.contains(where: { $0.family == address.family }) ?? true else {
                continue
            }
            var probe = outsider("", edge, SocketEndpoint(address, port), .knock)
            probe.hardwareAddress = hardware
            probes.append(probe)
        }
        return probes
    }

    private func outsider(
        _ id: String, _ edge: EdgeCase, _ target: SocketEndpoint, _ question: ProbeOrder.Question
    ) -> ProbeOrder {
        ProbeOrder(
            id: id, edge: edge.id, purpose: .outsider, target: .tcp(target), question: question,
            canary: "", timeout: Self.patience)
    }

    /// A node that is no peer of `target`; where there is none, one that is, since on the underlay it is an outsider
    /// like any other; nil leaves it to the controller.
    private func vantage(for target: String) -> String? {
        let others = able.filter { $0 != target }
        return others.first { !(peers[$0]?.contains(target) ?? false) } ?? others.first
    }

    // MARK: forbid lines

    private func forbids(_ plan: inout ProbePlan) {
        for (number, line) in resolver.topology.forbid.enumerated() {
            guard let from = resolver.index.owner(of: line.from),
                let to = resolver.index.owner(of: line.to)
            else { continue }
            let services =
                resolver.index.service(line.to).map { [$0] }
                ?? resolver.topology.services.filter { $0.node == to }
            let id = "\(line.from)->\(line.to)"
            let isTried = able.contains(from) && from != to
            plan.forbidden.append(
                ForbidCase(
                    id: id, from: from, to: to, isTried: isTried,
                    isGuarded: isGuarded(from, to, services)))
            guard isTried else { continue }
            let addresses =
                (resolver.inputs.addresses[to] ?? [])
                + resolver.underlay(of: to).filter { !$0.isLinkLocal }
            for (place, service) in services.enumerated() where service.port != 0 {
                for (step, address) in addresses.enumerated() {
                    plan.nodes[from, default: []].append(
                        ProbeOrder(
                            id: "forbid\(number).\(place).\(step)", edge: nil, forbid: id,
                            purpose: .forbidden,
                            target: .tcp(SocketEndpoint(address, service.port)),
                            question: .connect, canary: "", timeout: Self.patience))
                }
            }
        }
    }

    /// By the guard's own rules; whether the node really has it, its facts say.
    private func isGuarded(_ from: String, _ to: String, _ services: [Service]) -> Bool {
        guard from != to, let wanted = resolver.inputs.documents[to]?.guard else { return false }
        let sources = resolver.inputs.addresses[from] ?? []
        return services.allSatisfy { service in
            guard service.port != 0 else { return true }
            return wanted.shielded.contains(ShieldedPort(.tcp, service.port))
                && !wanted.admitted.contains {
                    sources.contains($0.from) && $0.port == service.port
                }
        }
    }

    private func port(_ end: TunnelEnd) -> UInt16 {
        if case .tcp(let place) = end { return place.port }
        return 0
    }
}
