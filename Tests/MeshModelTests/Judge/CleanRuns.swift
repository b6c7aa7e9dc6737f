import MeshModel

/// Evidence as a mesh gives it in which nothing is wrong: `edge` (1), `gpu` (2) and, from outside, `store` (3).
enum CleanRuns {
    private typealias Parts = JudgeParts
    static let nodes = ["edge", "gpu", "store"]
    static let canary = "mpc0123456789abcdef-e1."
    static let interface = "mp0-lab"

    static func number(_ node: String) -> Int { (nodes.firstIndex(of: node) ?? 8) + 1 }
    static func underlay(_ node: String) -> [String] {
        ["198.51.100.\(number(node))", "2001:db8::\(number(node))"]
    }
    static func overlay(_ node: String) -> [String] {
        ["10.77.0.\(number(node))", "fd77::\(number(node))"]
    }

    // MARK: the edge

    static func end(_ node: String) -> EdgeEnd {
        EdgeEnd(
            party: node, node: node, managed: true, overlay: overlay(node).map(Parts.address),
            underlay: underlay(node).map(Parts.address), guarded: true)
    }

    static func link(_ a: String, _ b: String, generation: Int = 0) -> MeshLinkCase {
        func end(_ node: String) -> LinkEnd {
            LinkEnd(
                node: node, key: Parts.key(number(node) + 10 * generation),
                port: 51820 + UInt16(generation),
                allowedIPs: overlay(node).map { IPPrefix(host: Parts.address($0)) })
        }
        return MeshLinkCase(
            generation: generation, interface: "mp\(generation)-lab", a: end(a), b: end(b))
    }

    static func edge(_ via: Transport, bind: Service.Bind = .any, port: UInt16 = 8080) -> EdgeCase {
        let isLocal = via == .local
        return EdgeCase(
            id: "edge->ollama", paths: ["chat"], carries: ["prompts"], via: via,
            from: end(isLocal ? "gpu" : "edge"), to: end("gpu"),
            service: ServiceCase(
                name: "ollama", kind: "ollama", wireProtocol: via == .mtls ? .https : .http,
                port: port, bind: bind),
            links: via == .wireguard ? [link("edge", "gpu")] : [], hub: nil,
            tunnel: via == .ssh ? tunnel() : nil,
            tls: via == .tls || via == .mtls ? tls(via) : nil, canary: canary)
    }

    static func tunnel(_ way: TunnelWay = .underlay) -> DesiredTunnel {
        DesiredTunnel(
            edge: "edge->ollama", node: "gpu", way: way,
            server: Endpoint(host: way == .mesh ? "10.77.0.2" : "198.51.100.2", port: 51822),
            user: "mp-lab", hostKeys: [Parts.key(60)], clientKey: Parts.key(61),
            entrances: ["127.0.0.1:8080", "[::1]:8080"].map { .tcp(Parts.endpoint($0)) },
            target: .tcp(Parts.endpoint("127.0.0.1:8080")))
    }

    static func tls(_ via: Transport) -> TLSCase {
        TLSCase(
            minimum: "TLS1.2", name: "gpu.example", authorities: "ca.pem",
            certificate: via == .mtls ? "edge.pem" : nil, key: via == .mtls ? "edge.key" : nil,
            isMutual: via == .mtls)
    }

    // MARK: runs

    static func run(_ via: Transport) -> JudgeRun {
        switch via {
        case .wireguard: wireguard()
        case .ssh: ssh()
        case .tls, .mtls: overTLS(via)
        case .local: local()
        }
    }

    private static func evidence(_ facts: [NodeFacts]) -> Evidence {
        Evidence(
            nonce: "nonce", meshID: "mesh", began: JudgeRun.now - 60,
            facts: Dictionary(uniqueKeysWithValues: facts.map { ($0.node, $0) }), missing: [:],
            controllerProbes: [])
    }

    static func wireguard() -> JudgeRun {
        let edge = edge(.wireguard)
        var (from, to, store) = (facts("edge"), facts("gpu"), facts("store"))
        mesh(&from, &to)
        to.sockets = [Parts.sockets(listeners: [Parts.socket("[::]:8080")])]
        from.probes = overlay("gpu").map { address in
            let local = address.contains(":") ? "[fd77::1]:40001" : "10.77.0.1:40001"
            return own(edge, place(address, 8080), local: local)
        }
        store.probes = outside(edge, "gpu", 8080)
        from.routing = answers(edge, from: "edge", to: "gpu", port: 8080, isReply: false)
        to.routing = answers(edge, from: "gpu", to: "edge", port: 8080, isReply: true)
        seen([interface, interface], &from, &to)
        wire(.wireguard, "51820", "51820", 17, .wireguard, &from, &to)
        return JudgeRun(edge: edge, evidence: evidence([from, to, store]))
    }

    static func ssh(_ way: TunnelWay = .underlay) -> JudgeRun {
        var edge = edge(.ssh, bind: .loopback)
        edge.tunnel = tunnel(way)
        var (from, to, store) = (facts("edge"), facts("gpu"), facts("store"))
        from.agent?.tunnels = [
            ObservedTunnel(
                tunnel: tunnel(way), state: .up, since: JudgeRun.now - 1000,
                listening: tunnel(way).entrances,
                algorithms: TunnelAlgorithms(
                    keyExchange: "curve25519-sha256", cipherOut: "aes256-gcm@openssh.com",
                    cipherIn: "aes256-gcm@openssh.com", macOut: "implicit", macIn: "implicit",
                    hostKey: Parts.key(60)), connections: 1, sent: 50_000, received: 50_000)
        ]
        to.agent?.tunnelServer = ObservedTunnelServer(differences: [], process: 700, sessions: 1)
        from.sockets = [
            Parts.sockets(
                listeners: [
                    Parts.socket("127.0.0.1:8080", nil, "meshproof (pid 5)"),
                    Parts.socket("[::1]:8080", nil, "meshproof (pid 5)"),
                ])
        ]
        to.sockets = [Parts.sockets(listeners: [Parts.socket("127.0.0.1:8080")])]
        from.probes = ["127.0.0.1:8080", "[::1]:8080"].map {
            own(edge, $0, local: "127.0.0.1:40001")
        }
        from.probes?.append(
            Parts.probe(
                edge.id, .refusal, "127.0.0.1:1", .tunnelElsewhere(tunnel: tunnel(way)), .refused,
                from: "edge"))
        store.probes = outside(edge, "gpu", 8080) + outside(edge, "edge", 8080)
        if way == .underlay {
            store.probes?.append(
                Parts.probe(
                    edge.id, .outsider, "198.51.100.2:51822", .strangerSSH(user: "mp-lab"),
                    .refused, from: "store"))
            wire(.tunnel, "40100", "51822", 6, .ssh, &from, &to)
        } else {
            edge.links = [link("edge", "gpu")]
            mesh(&from, &to)
            from.routing = answers(edge, from: "edge", to: "gpu", port: 51822, isReply: false)
            to.routing = answers(edge, from: "gpu", to: "edge", port: 51822, isReply: true)
            wire(.wireguard, "51820", "51820", 17, .wireguard, &from, &to)
        }
        seen(["lo", "lo"], &from, &to)
        return JudgeRun(edge: edge, evidence: evidence([from, to, store]))
    }

    static func overTLS(_ via: Transport) -> JudgeRun {
        let edge = edge(via)
        let demand = tls(via)
        var (from, to) = (facts("edge"), facts("gpu"))
        to.sockets = [Parts.sockets(listeners: [Parts.socket("0.0.0.0:8080")])]
        let shown = TLSFacts(
            version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", isTrusted: true, trustProblem: "",
            subject: "CN=gpu.example", issuer: "CN=lab", expires: JudgeRun.now + 90 * 86400,
            fingerprint: "00ff", asksForCertificate: via == .mtls)
        var probes = [own(edge, "198.51.100.2:8080", local: "198.51.100.1:40001", tls: shown)]
        probes.append(
            Parts.probe(
                edge.id, .refusal, "198.51.100.2:8080", .plainToTLS, .refused, from: "edge",
                local: ["198.51.100.1:40002"]))
        if via == .mtls {
            probes.append(
                Parts.probe(
                    edge.id, .refusal, "198.51.100.2:8080", .tlsWithoutCertificate(demand),
                    .refused, from: "edge", local: ["198.51.100.1:40003"]))
        }
        from.probes = probes
        wire(.tls, "40001", "8080", 6, .tls, &from, &to)
        // The refusal's own clear text, which is no client's.
        var attempt = Parts.flow(
            .undeclared, "edge", "gpu", "198.51.100.1:40002", "198.51.100.2:8080", 6, .clear)
        attempt.payload = 80
        from.capture?.flows.append(attempt)
        to.capture?.flows.append(attempt)
        return JudgeRun(edge: edge, evidence: evidence([from, to]))
    }

    static func local() -> JudgeRun {
        let edge = edge(.local, bind: .loopback)
        var (node, store) = (facts("gpu"), facts("store"))
        node.sockets = [Parts.sockets(listeners: [Parts.socket("127.0.0.1:8080")])]
        node.probes = [own(edge, "127.0.0.1:8080", local: "127.0.0.1:40001")]
        store.probes = outside(edge, "gpu", 8080)
        node.capture?.canaries = [sighting("lo")]
        return JudgeRun(edge: edge, evidence: evidence([node, store]))
    }

    // MARK: parts of a run

    static func place(_ address: String, _ port: UInt16) -> String {
        SocketEndpoint(Parts.address(address), port).description
    }

    private static func own(
        _ edge: EdgeCase, _ target: String, local: String, tls: TLSFacts? = nil
    ) -> ProbeFact {
        Parts.probe(
            edge.id, .edge, target, .http(path: "/", tls: edge.tls), .answered,
            from: edge.from.node, canary: canary, local: [local], bytes: 2000, tls: tls)
    }

    private static func outside(_ edge: EdgeCase, _ node: String, _ port: UInt16) -> [ProbeFact] {
        underlay(node).map {
            Parts.probe(edge.id, .outsider, place($0, port), .connect, .silent, from: "store")
        }
            + overlay(node).map {
                Parts.probe(edge.id, .outsider, place($0, port), .knock, .silent, from: "store")
            }
    }

    static func sighting(_ device: String) -> CanarySighting {
        CanarySighting(
            canary: canary, device: device, role: .inside, packets: 2, source: nil,
            destination: nil, summary: "TCP")
    }

    static func seen(_ devices: [String], _ from: inout NodeFacts, _ to: inout NodeFacts) {
        from.capture?.canaries = [sighting(devices[0])]
        to.capture?.canaries = [sighting(devices[1])]
    }

    static func wire(
        _ kind: WireFlow.Kind, _ near: String, _ far: String, _ ipProtocol: UInt8,
        _ appearance: WireFlow.Appearance, _ from: inout NodeFacts, _ to: inout NodeFacts
    ) {
        let flow = Parts.flow(
            kind, from.node, to.node, "\(underlay(from.node)[0]):\(near)",
            "\(underlay(to.node)[0]):\(far)", ipProtocol, appearance)
        from.capture?.flows.append(flow)
        to.capture?.flows.append(flow)
        for sender in [from.node, to.node] {
            let control = ControlSighting(from: sender, device: "eth0", packets: 1)
            from.capture?.controls.append(control)
            to.capture?.controls.append(control)
        }
    }

    static func answers(
        _ edge: EdgeCase, from: String, to: String, port: UInt16, isReply: Bool
    ) -> RoutingFacts {
        let answers = zip(overlay(from), overlay(to)).map { source, target in
            FlowAnswer(
                question: FlowQuestion(
                    edge: edge.id, isReply: isReply, source: Parts.address(source),
                    destination: Parts.address(target), sourcePort: isReply ? port : nil,
                    destinationPort: isReply ? nil : port, users: [0]),
                user: 0, interface: interface, group: Ownership.linkGroup, isLocal: false,
                gateway: nil, source: Parts.address(source), table: 254)
        }
        return RoutingFacts(answers: answers, rules: [], strays: [])
    }

    /// Both nodes have the interface, and what the probe sent shows in their counters.
    static func mesh(_ one: inout NodeFacts, _ other: inout NodeFacts, generation: Int = 0) {
        add(peer(other.node, generation), to: &one, generation)
        add(peer(one.node, generation), to: &other, generation)
    }

    private static func peer(_ node: String, _ generation: Int) -> ObservedPeer {
        ObservedPeer(
            publicKey: Parts.key(number(node) + 10 * generation), presharedKey: nil,
            endpoint: Parts.endpoint("\(underlay(node)[0]):\(51820 + generation)"), keepalive: 0,
            allowedIPs: overlay(node).map { IPPrefix(host: Parts.address($0)) },
            lastHandshake: JudgeRun.now - 80, rxBytes: 1000, txBytes: 1000)
    }

    private static func add(_ peer: ObservedPeer, to facts: inout NodeFacts, _ generation: Int) {
        let node = facts.node
        func added(_ interfaces: [ObservedInterface]?, _ peer: ObservedPeer)
            -> [ObservedInterface]
        {
            var interfaces = interfaces ?? []
            let name = "mp\(generation)-lab"
            if !interfaces.contains(where: { $0.name == name }) {
                interfaces.append(
                    ObservedInterface(
                        name: name, index: 5 + Int32(generation), kind: .userspace, isUp: true,
                        mtu: 1420, group: Ownership.linkGroup,
                        addresses: overlay(node).map { IPPrefix(host: Parts.address($0)) },
                        device: ObservedDevice(
                            publicKey: Parts.key(number(node) + 10 * generation),
                            listenPort: 51820 + UInt16(generation), fwmark: 0, peers: [])))
            }
            return interfaces.map { interface in
                var interface = interface
                if interface.name == name { interface.device?.peers.append(peer) }
                return interface
            }
        }
        facts.earlierInterfaces = added(facts.earlierInterfaces, peer)
        var later = peer
        later.rxBytes += 20_000
        later.txBytes += 20_000
        facts.interfaces = added(facts.interfaces, later)
        let name = "mp\(generation)-lab"
        if facts.links?.contains(where: { $0.name == name }) == false {
            facts.links?.append(
                Parts.link(
                    name, 5 + Int32(generation), "tun",
                    overlay(node).map { "\($0)/\($0.contains(":") ? 128 : 32)" },
                    group: Ownership.linkGroup))
            facts.capture?.devices.append(Parts.device(name, 5 + Int32(generation), .inside))
        }
    }

    static func facts(_ node: String) -> NodeFacts {
        NodeFacts(
            node: node, meshID: "mesh", nonce: "nonce", program: "0.1", bootID: "boot-\(node)",
            namespace: 4026531840, began: Parts.time(0), ended: Parts.time(10),
            earlierInterfaces: [], interfaces: [],
            links: [
                Parts.link("lo", 1, nil, ["127.0.0.1/8", "::1/128"]),
                Parts.link(
                    "eth0", 2, "veth", ["\(underlay(node)[0])/24", "\(underlay(node)[1])/64"]),
            ],
            routing: RoutingFacts(answers: [], rules: [], strays: []),
            sockets: [Parts.sockets(listeners: [])], tracked: [],
            rewriting: RewritingFacts(digest: "0", rules: [], mirrors: [], multipathEndpoints: []),
            agent: AgentFacts(
                revision: 1, drift: [], tunnels: [], tunnelServer: nil,
                guard: ObservedGuard(differences: [])),
            capture: CaptureFacts(
                devices: [Parts.device("lo", 1, .inside), Parts.device("eth0", 2, .underlay)],
                flows: [], canaries: [],
                controls: [ControlSighting(from: node, device: "eth0", packets: 1)]),
            probes: [])
    }
}
