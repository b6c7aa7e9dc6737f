import MeshModel

/// A change of clean evidence, and what must come out.
struct AdversarialCase: Sendable, CustomStringConvertible {
    var name: String
    var clean: @Sendable () -> JudgeRun
    var verdicts: [Verdict]
    var codes: Set<FindingCode>
    var change: @Sendable (inout JudgeRun) -> Void

    var description: String { name }

    init(
        _ name: String, on clean: @escaping @Sendable () -> JudgeRun = CleanRuns.wireguard,
        _ verdicts: [Verdict], _ codes: Set<FindingCode>,
        _ change: @escaping @Sendable (inout JudgeRun) -> Void
    ) {
        self.name = name
        self.clean = clean
        self.verdicts = verdicts
        self.codes = codes
        self.change = change
    }

    private typealias Parts = JudgeParts
    @Sendable static func ssh() -> JudgeRun { CleanRuns.ssh() }
    @Sendable static func tls() -> JudgeRun { CleanRuns.overTLS(.tls) }
    @Sendable static func mtls() -> JudgeRun { CleanRuns.overTLS(.mtls) }

    /// The guard of a node is off.
    static func open(_ run: inout JudgeRun) {
        run.edge.to.guarded = false
        run.edge.from.guarded = false
        run.changeAll { $0.agent?.guard = nil }
    }

    /// A tunnel of the edge's own, changed.
    static func tunnel(_ run: inout JudgeRun, _ body: (inout ObservedTunnel) -> Void) {
        run.change("edge") { facts in
            guard var tunnel = facts.agent?.tunnels.first else { return }
            body(&tunnel)
            facts.agent?.tunnels = [tunnel]
        }
    }

    static let clearText: [AdversarialCase] = [
        AdversarialCase("1: the client dials the underlay address", [.exposed], [.bypassingFlow]) {
            run in
            run.change("edge") {
                $0.sockets?[0].flows = [
                    Parts.socket("198.51.100.1:40009", "198.51.100.2:8080", "webui (pid 4)")
                ]
            }
        },
        AdversarialCase("1: only the target's sockets show it", [.exposed], [.bypassingFlow]) {
            run in
            run.change("gpu") {
                $0.sockets?[0].flows = [
                    Parts.socket("[::ffff:198.51.100.2]:8080", "[::ffff:198.51.100.1]:40009")
                ]
            }
        },
        AdversarialCase("1: only the wire shows it", [.exposed], [.clearTraffic]) {
            $0.wire("198.51.100.1:40009", "198.51.100.2:8080")
        },
        AdversarialCase(
            "2: a rule for the port, and a route past the mesh", [.exposed],
            [.canaryOnWire, .routeBypass, .overlayOnWire]
        ) { run in
            run.change("edge") { facts in
                facts.routing?.rules = ["50: from all ipproto tcp dport 8080 lookup 100"]
                facts.routing?.strays = ["10.77.0.2 via 198.51.100.2 dev eth0 table 100"]
                facts.routing?.answers[0].interface = "eth0"
                facts.routing?.answers[0].group = 0
                facts.routing?.answers[0].table = 100
            }
            run.leak(at: "gpu", "10.77.0.2:8080")
            run.wire("198.51.100.1:40009", "10.77.0.2:8080")
        },
        AdversarialCase(
            "6: destinations are rewritten", [.exposed], [.canaryOnWire, .rewritten]
        ) { run in
            run.change("edge") { facts in
                facts.rewriting?.rules = [
                    Parts.rule(
                        .dnat, "ip daddr 10.77.0.2 tcp dport 8080 dnat to 198.51.100.2",
                        ports: [8080], destinations: ["10.77.0.2/32"])
                ]
                facts.tracked = [
                    TrackedConnection(
                        ipProtocol: 6, source: Parts.endpoint("10.77.0.1:40001"),
                        destination: Parts.endpoint("10.77.0.2:8080"),
                        replySource: Parts.endpoint("198.51.100.2:8080"),
                        replyDestination: Parts.endpoint("198.51.100.1:40001"))
                ]
            }
            run.leak(at: "edge")
        },
        AdversarialCase(
            "9: a more specific route", [.exposed], [.canaryOnWire, .routeBypass]
        ) { run in
            run.change("edge") { facts in
                facts.routing?.strays = ["10.77.0.2/32 via 198.51.100.2 dev eth0"]
                facts.routing?.answers[0].interface = "eth0"
                facts.routing?.answers[0].group = 0
            }
            run.leak(at: "edge", "10.77.0.2:8080")
        },
        AdversarialCase(
            "10: the name resolves to the IPv6 underlay address", [.exposed], [.bypassingFlow]
        ) { run in
            run.change("edge") {
                $0.sockets?[0].flows = [
                    Parts.socket("[2001:db8::1]:40009", "[2001:db8::2]:8080", nil)
                ]
            }
        },
        AdversarialCase("17: vxlan carries it", [.exposed], [.canaryOnWire, .undeclaredTraffic]) {
            run in
            run.leak(at: "gpu")
            run.wire("198.51.100.1:40009", "198.51.100.2:4789", ipProtocol: 17)
        },
        AdversarialCase("17: GRE carries something", [.exposed], [.clearTraffic]) {
            $0.wire("198.51.100.1:0", "198.51.100.2:0", ipProtocol: 47)
        },
        AdversarialCase("18: a fragment's end cuts it off", [.exposed], [.canaryOnWire]) { run in
            let canary = run.edge.canary
            run.capture("gpu") { capture in
                capture.canaries.append(
                    CanarySighting(
                        canary: String(canary.dropLast(2)), device: "eth0", role: .underlay,
                        packets: 1, source: nil, destination: nil, summary: "UDP fragment"))
            }
        },
        AdversarialCase("18: the canary is in a fragment", [.exposed], [.canaryOnWire]) {
            $0.leak(at: "gpu")
        },
        AdversarialCase("19: clear text to WireGuard's port", [.exposed], [.notWireGuard]) {
            $0.wire("198.51.100.1:40009", "198.51.100.2:51820", ipProtocol: 17)
        },
        AdversarialCase("34: the canary goes on in clear", on: tls, [.exposed], [.canaryOnWire]) {
            run in
            run.evidence.facts["store"] = CleanRuns.facts("store")
            run.leak(at: "store", "198.51.100.3:9000")
        },
        AdversarialCase(
            "36: the tunnel's target goes on in clear", on: ssh, [.exposed], [.canaryOnWire]
        ) {
            $0.leak(at: "gpu", "198.51.100.3:9000")
        },
        AdversarialCase("TLS's port carries clear text", on: tls, [.exposed], [.clearTraffic]) {
            $0.wire("198.51.100.1:40050", "198.51.100.2:8080")
        },
        AdversarialCase(
            "a local edge shows outside", on: CleanRuns.local, [.exposed], [.canaryOnWire]
        ) {
            $0.leak(at: "gpu")
        },
    ]

    static let ways: [AdversarialCase] = [
        AdversarialCase("12: the weak host answers", [.exposed], [.weakHost]) { run in
            open(&run)
            run.admit("10.77.0.2:8080", knock: true)
        },
        AdversarialCase(
            "13: a published port answers", on: CleanRuns.container, [.exposed], [.openUnderlay]
        ) {
            run in
            open(&run)
            run.admit("198.51.100.2:8080")
        },
        AdversarialCase("13: it answers the controller, and says no", [.exposed], [.openUnderlay]) {
            run in
            run.evidence.controllerProbes = [
                Parts.probe(
                    run.edge.id, .outsider, "[2001:db8::2]:8080", .connect, .refused,
                    from: "controller")
            ]
        },
        AdversarialCase("13: it takes a connection, and says nothing", [.exposed], [.openUnderlay])
        {
            run in
            var probe = Parts.probe(
                run.edge.id, .outsider, "198.51.100.2:8080", .tcp, .silent, from: "controller")
            probe.localEnds = [Parts.endpoint("198.51.100.9:40001")]
            run.evidence.controllerProbes = [probe]
        },
        AdversarialCase("24: a plain connection is taken", on: tls, [.exposed], [.plainAccepted]) {
            $0.changeProbes(where: { $0.question == .plainToTLS }, .answered)
        },
        AdversarialCase("24: Postgres takes a plain startup", on: tls, [.exposed], [.plainAccepted])
        {
            run in
            run.edge.service.wireProtocol = .postgres
            let id = run.edge.id
            run.change("edge") {
                $0.probes?.append(
                    Parts.probe(
                        id, .refusal, "198.51.100.2:8080", .postgresPlain, .answered, from: "edge"))
            }
        },
        AdversarialCase(
            "26: the client certificate is optional", on: mtls, [.exposed],
            [.clientCertificateOptional]
        ) {
            $0.changeProbes(
                where: {
                    if case .tlsWithoutCertificate = $0.question { true } else { false }
                }, .answered)
        },
        AdversarialCase(
            "26: whether it is required does not show", on: mtls, [.unproven], [.notLookedAt]
        ) {
            $0.changeProbes(
                where: {
                    if case .tlsWithoutCertificate = $0.question { true } else { false }
                }, .silent)
        },
        AdversarialCase("35: the tunnel begins everywhere", on: ssh, [.exposed], [.openEntrance]) {
            run in
            open(&run)
            run.change("edge") {
                $0.sockets?[0].listeners.append(
                    Parts.socket("0.0.0.0:8080", nil, "socat (pid 77)"))
            }
        },
        AdversarialCase("35: and the agent says so itself", on: ssh, [.exposed], [.openEntrance]) {
            run in
            tunnel(&run) { $0.listening.append(.tcp(Parts.endpoint("0.0.0.0:8080"))) }
        },
        AdversarialCase("35: somebody outside came in by it", on: ssh, [.exposed], [.openEntrance])
        {
            $0.admit("198.51.100.1:8080")
        },
        AdversarialCase("35: the guard closes it", on: ssh, [.encrypted], [.openEntrance]) { run in
            run.change("edge") {
                $0.sockets?[0].listeners.append(
                    Parts.socket("0.0.0.0:8080", nil, "socat (pid 77)"))
            }
        },
        AdversarialCase("a stranger logs in", on: ssh, [.exposed], [.strangerAdmitted]) {
            $0.changeProbes(
                where: { if case .strangerSSH = $0.question { true } else { false } }, .answered)
        },
        AdversarialCase("the key reaches more", on: ssh, [.exposed], [.tunnelReachesElsewhere]) {
            $0.changeProbes(
                where: { if case .tunnelElsewhere = $0.question { true } else { false } },
                .answered)
        },
        AdversarialCase("21: the prefix is another's", [.exposed, .unproven], [.prefixStolen]) {
            run in
            let stolen = Parts.prefix("10.77.0.2/32")
            run.peers("edge") { peers in
                peers[0].allowedIPs.removeAll { $0 == stolen }
                var thief = peers[0]
                thief.publicKey = Parts.key(90)
                thief.allowedIPs = [stolen]
                peers.append(thief)
            }
            run.answer(.silent)
        },
        AdversarialCase(
            "21: it is another's on the way back", [.exposed, .unproven], [.prefixStolen]
        ) {
            run in
            run.peers("gpu") { peers in
                var thief = peers[0]
                thief.publicKey = Parts.key(90)
                peers[0].allowedIPs = [Parts.prefix("10.77.0.0/24"), Parts.prefix("fd77::/64")]
                thief.allowedIPs = [Parts.prefix("fd77::/96")]
                peers.append(thief)
            }
        },
    ]
}
