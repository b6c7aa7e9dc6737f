import Testing

@testable import MeshModel

@Suite("What goes past an edge is told once, and an attempt in vain is no exposure")
struct PastTheMeshTests {
    private static let edge: EdgeCase = {
        func end(_ node: String, _ number: Int) -> EdgeEnd {
            EdgeEnd(
                party: node, node: node, managed: true,
                overlay: [address("10.77.0.\(number)"), address("fd77::\(number)")],
                underlay: [address("198.51.100.\(number)"), address("2001:db8::\(number)")],
                guarded: true)
        }
        return EdgeCase(
            id: "ant->web", paths: [], carries: [], via: .wireguard, from: end("ant", 1),
            to: end("bee", 2),
            service: ServiceCase(
                name: "web", kind: "http", wireProtocol: .http, port: 8080, bind: .any),
            links: [], hub: nil, tunnel: nil, tls: nil, canary: "mpcanary-0123456789")
    }()

    private static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .anyIPv4 }

    /// Both nodes' facts, changed, as the judge's checks see them.
    private func view(_ change: (inout NodeFacts, inout NodeFacts) -> Void) -> EdgeView {
        let time = FactTime(wall: 1000, monotonic: 10)
        var (ant, bee) = (
            NodeFacts(
                node: "ant", meshID: "m", nonce: "n", program: "", bootID: "", namespace: 1,
                began: time, ended: time),
            NodeFacts(
                node: "bee", meshID: "m", nonce: "n", program: "", bootID: "", namespace: 1,
                began: time, ended: time)
        )
        ant.sockets = [Self.sockets([])]
        bee.sockets = [Self.sockets([])]
        change(&ant, &bee)
        return EdgeView(
            Self.edge,
            Evidence(
                nonce: "n", meshID: "m", began: 1000, facts: ["ant": ant, "bee": bee],
                missing: [:], controllerProbes: []), now: 1010)
    }

    private static func sockets(_ flows: [SocketFact]) -> NamespaceSockets {
        NamespaceSockets(
            namespace: 1, isOwn: true, inhabitant: nil, listeners: [], flows: flows,
            unixListeners: [])
    }

    private static func socket(
        _ local: String, _ remote: String, isConnecting: Bool = false, _ process: String?
    ) -> SocketFact {
        SocketFact(
            kind: .tcp, local: SocketEndpoint(local) ?? SocketEndpoint(.anyIPv4, 0),
            remote: SocketEndpoint(remote), isConnecting: isConnecting, interface: nil, user: 0,
            process: process)
    }

    private static func capture(_ flows: [WireFlow], _ canaries: [CanarySighting] = [])
        -> CaptureFacts
    {
        CaptureFacts(devices: [], flows: flows, canaries: canaries, controls: [])
    }

    private static func flow(
        _ source: String, _ destination: String, payload: UInt64 = 100,
        _ appearance: WireFlow.Appearance = .clear, isAttempt: Bool = false, from: String = "ant"
    ) -> WireFlow {
        WireFlow(
            kind: .undeclared, device: "eth0", from: from, to: from == "ant" ? "bee" : "ant",
            source: SocketEndpoint(source), destination: SocketEndpoint(destination),
            ipProtocol: 6, etherType: 0x0800, packets: 4, bytes: 400, payload: payload,
            appearance: appearance, summary: "HTTP GET", isAttempt: isAttempt)
    }

    private static func stray(_ view: EdgeView) -> [Finding] {
        var inspection = Inspection()
        for stray in StrayTraffic.gather(view) { inspection.add(stray.inspection(view)) }
        return inspection.findings
    }

    // MARK: the wire

    @Test("many connections of a client, seen at both ends and from either side, are one finding")
    func grouped() throws {
        let flows = (0..<20).map { Self.flow("198.51.100.1:\(40000 + $0)", "198.51.100.2:8080") }
        let turned = Self.flow("198.51.100.2:8080", "198.51.100.1:40000", from: "bee")
        let findings = Self.stray(
            view { ant, bee in
                ant.capture = Self.capture(flows)
                bee.capture = Self.capture([turned] + flows.dropFirst())
            })
        let finding = try #require(findings.first)
        #expect(findings.count == 1 && finding.code == .clearTraffic)
        #expect(finding.severity == .critical && finding.node == "ant")
        #expect(finding.message.contains("198.51.100.1:40000 → 198.51.100.2:8080"))
        #expect(finding.message.contains("19 more like it, 80 packets on eth0 of ant, eth0 of bee"))
    }

    @Test("what differs in port or gravity is told apart, and both directions of a carrier are one")
    func apart() {
        let flows = [
            Self.flow("198.51.100.1:40000", "198.51.100.2:8080"),
            Self.flow("198.51.100.1:40000", "10.77.0.2:8080"),
            Self.flow("198.51.100.1:40000", "198.51.100.2:9100"),
            Self.flow("198.51.100.1:40000", "198.51.100.2:9101", .tls),
            Self.flow("198.51.100.2:40000", "198.51.100.1:9100", from: "bee"),
        ]
        let findings = Self.stray(view { ant, _ in ant.capture = Self.capture(flows) })
        #expect(
            findings.map(\.code) == [
                .clearTraffic, .overlayOnWire, .undeclaredTraffic, .undeclaredTraffic,
            ])
        #expect(
            findings.map(\.severity) == [.critical, .critical, .serious, .minor])
    }

    @Test(
        "an attempt that nobody answered is a note; an answered one, or one for the overlay, is more"
    )
    func attempts() {
        func inspect(_ flow: WireFlow) -> (Finding.Severity?, EvidenceLevel) {
            var inspection = Inspection()
            let view = view { ant, _ in ant.capture = Self.capture([flow]) }
            for stray in StrayTraffic.gather(view) { inspection.add(stray.inspection(view)) }
            return (inspection.findings.first?.severity, inspection.allows)
        }
        let place = "198.51.100.2:8080"
        let vain = inspect(
            Self.flow("198.51.100.1:4000", place, payload: 0, .empty, isAttempt: true))
        #expect(vain.0 == .note && vain.1 == .enforced)
        let open = inspect(Self.flow("198.51.100.1:4000", place, payload: 0, .empty))
        #expect(open.0 == .minor && open.1 < .enforced)
        let lost = inspect(
            Self.flow("198.51.100.1:4000", "10.77.0.2:8080", payload: 0, .empty, isAttempt: true))
        #expect(lost.0 == .serious && lost.1 < .observed)
    }

    @Test("one leak of the canary is one finding, wherever it was seen")
    func canary() {
        let sighting = CanarySighting(
            canary: "mpcanary-0123456789", device: "eth0", role: .underlay, packets: 3,
            source: SocketEndpoint("198.51.100.1:4000"),
            destination: SocketEndpoint("10.77.0.2:8080"), summary: "TCP")
        let findings = CanaryCheck.inspect(
            view { ant, bee in
                ant.capture = Self.capture([], [sighting, sighting])
                bee.capture = Self.capture([], [sighting])
            }
        ).findings.filter { $0.code == .canaryOnWire }
        #expect(findings.count == 1)
        #expect(
            findings.first?.message.contains("passed eth0 of ant, eth0 of bee in clear") == true)
    }

    // MARK: sockets

    @Test("a client that only asks is worth mending, and exposes nothing")
    func asking() throws {
        let inspection = FlowCheck.inspect(
            view { ant, _ in
                ant.sockets = [
                    Self.sockets(
                        (1...9).map {
                            Self.socket(
                                "198.51.100.1:\($0)", "198.51.100.2:8080", isConnecting: true,
                                "curl (pid \($0))")
                        })
                ]
            })
        let finding = try #require(inspection.findings.first)
        #expect(inspection.findings.count == 1 && inspection.allows == .enforced)
        #expect(finding.code == .bypassingFlow && finding.severity == .minor)
        #expect(finding.message.hasPrefix("curl (pid 1) on ant tries to go"))
        #expect(finding.message.contains("and 8 more"))
    }

    @Test("one that stands does, and is told once though both ends have it")
    func standing() throws {
        let inspection = FlowCheck.inspect(
            view { ant, bee in
                ant.sockets = [
                    Self.sockets([
                        Self.socket("198.51.100.1:1", "198.51.100.2:8080", "curl (pid 1)"),
                        Self.socket("198.51.100.1:2", "198.51.100.2:8080", "curl (pid 2)"),
                        Self.socket(
                            "198.51.100.1:3", "198.51.100.2:8080", isConnecting: true,
                            "wget (pid 3)"),
                    ])
                ]
                bee.sockets = [
                    Self.sockets([Self.socket("198.51.100.2:8080", "198.51.100.1:1", nil)])
                ]
            })
        #expect(inspection.findings.map(\.severity) == [.critical])
        #expect(inspection.findings.first?.node == "ant" && inspection.allows < .live)
        let server = FlowCheck.inspect(
            view { _, bee in
                bee.sockets = [
                    Self.sockets([Self.socket("198.51.100.2:8080", "198.51.100.1:1", nil)])
                ]
            })
        #expect(server.findings.map(\.severity) == [.critical])
        #expect(server.findings.first?.node == "bee")
    }

    // MARK: probes

    @Test(
        "a service need not listen on each address, but one that swallows what is sent is broken",
        arguments: [
            (ProbeFact.Outcome.closed, []), (.silent, [.noAnswer]), (.unreachable, [.noAnswer]),
            (.failed, [.notLookedAt]),
        ] as [(ProbeFact.Outcome, [FindingCode])])
    func partly(_ outcome: ProbeFact.Outcome, _ codes: [FindingCode]) {
        func probe(_ target: String, _ outcome: ProbeFact.Outcome) -> ProbeFact {
            let time = FactTime(wall: 1000, monotonic: 10)
            return ProbeFact(
                order: ProbeOrder(
                    id: target, edge: "ant->web", purpose: .edge,
                    target: .tcp(SocketEndpoint(target) ?? SocketEndpoint(.anyIPv4, 0)),
                    question: .http(path: "/", tls: nil), canary: "mpcanary-0123456789", timeout: 2),
                vantage: "ant", began: time, ended: time, outcome: outcome, message: "so it went")
        }
        let inspection = ProbeCheck.inspect(
            view { ant, _ in
                ant.probes = [
                    probe("10.77.0.2:8080", outcome), probe("[fd77::2]:8080", .answered),
                ]
            })
        #expect(inspection.findings.map(\.code) == codes)
        #expect(inspection.findings.allSatisfy { $0.meansDown == ($0.code == .noAnswer) })
        let untried = ProbeCheck.inspect(
            view { ant, _ in ant.probes = [probe("[fd77::2]:8080", .answered)] })
        #expect(untried.findings.map(\.code) == [.notLookedAt] && untried.allows < .live)
    }

    // MARK: the guard

    @Test("where the guard stands, a route past the mesh is mended at leisure")
    func guardedRoute() {
        func inspect(isGuarded: Bool) -> (Finding.Severity?, EvidenceLevel) {
            var inspection = Inspection()
            let view = view { ant, _ in
                ant.routing = RoutingFacts(
                    answers: [], rules: [],
                    strays: ["10.77.0.2 via 198.51.100.2 dev eth0 table 100"])
                if isGuarded {
                    ant.agent = AgentFacts(
                        revision: 1, drift: [], tunnels: [], tunnelServer: nil,
                        guard: ObservedGuard(differences: [], drops: []))
                }
            }
            RouteCheck.surroundings("ant", view, &inspection)
            let found = inspection.findings.first
            #expect(found?.fix.contains("table 100: ip rule") == true)
            return (found?.severity, inspection.allows)
        }
        #expect(inspect(isGuarded: true) == (.minor, .enforced))
        #expect(inspect(isGuarded: false).0 == .serious)
        #expect(inspect(isGuarded: false).1 < .live)
    }

    // MARK: folding

    @Test("what follows goes under its own cause, on its own node")
    func folding() {
        func finding(
            _ code: FindingCode, _ node: String, _ severity: Finding.Severity = .serious
        ) -> Finding { Finding(code, severity, on: node, code.rawValue + node, fix: "x") }
        let folded = Folding.fold([
            finding(.noAnswer, "bee"), finding(.routeBypass, "ant"), finding(.routeBypass, "ant"),
            finding(.canaryOnWire, "ant", .critical), finding(.routeBypass, "bee"),
            finding(.routeBypass, "bee", .minor), finding(.undeclaredTraffic, "ant", .serious),
        ])
        #expect(
            folded.map(\.code) == [.canaryOnWire, .routeBypass, .routeBypass, .undeclaredTraffic])
        #expect(folded[1].consequences.map(\.code) == [.noAnswer, .routeBypass])
        #expect(folded[2].node == "bee")
        #expect(folded[2].consequences.map(\.severity) == [.minor])
        let attempt = Folding.fold([
            finding(.undeclaredTraffic, "ant", .note), finding(.undeclaredTraffic, "bee", .note),
            finding(.bypassingFlow, "ant", .minor),
        ])
        #expect(attempt.map(\.code) == [.bypassingFlow, .undeclaredTraffic])
        #expect(attempt.first?.consequences.map(\.node) == ["ant"])
    }
}
