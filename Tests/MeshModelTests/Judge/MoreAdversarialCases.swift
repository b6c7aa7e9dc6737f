import MeshModel

/// Cases in which an edge is broken, or evidence is missing.
extension AdversarialCase {
    private typealias Parts = JudgeParts

    static let broken: [AdversarialCase] = [
        AdversarialCase("15: the interface is down", [.down], [.interfaceDown, .noAnswer]) { run in
            run.interface("edge") { $0.isUp = false }
            run.change("edge") { facts in
                facts.routing?.answers[0].interface = "eth0"
                facts.routing?.answers[0].group = 0
            }
            run.answer(.unreachable)
            run.wire(
                "198.51.100.1:40009", "10.77.0.2:8080", appearance: .empty, payload: 0)
        },
        AdversarialCase("28: it is a veth", [.down, .unproven], [.notWireGuardDevice]) { run in
            run.interface("edge") {
                $0.kind = .foreign(kind: "veth")
                $0.device = nil
            }
            run.answer(.silent)
        },
        AdversarialCase("29: no handshake", [.down, .unproven], [.staleHandshake]) { run in
            run.peers("edge") { $0[0].lastHandshake = JudgeRun.now - 300 }
            run.answer(.silent)
        },
        AdversarialCase("29: never one", [.down, .unproven], [.staleHandshake]) { run in
            run.peers("gpu") { $0[0].lastHandshake = 0 }
        },
        AdversarialCase("30: the former key", [.down, .unproven], [.keyMismatch]) { run in
            run.peers("gpu") { $0[0].publicKey = Parts.key(70) }
            run.answer(.silent)
        },
        AdversarialCase("another key at home", [.down, .unproven], [.keyMismatch]) { run in
            run.interface("gpu") { $0.device?.publicKey = Parts.key(70) }
        },
        AdversarialCase(
            "39: another namespace", on: CleanRuns.local, [.down, .unproven], [.otherNamespace]
        ) {
            run in
            run.change("gpu") { facts in
                facts.sockets?[0].isOwn = false
                facts.sockets?.append(Parts.sockets(listeners: []))
            }
            run.answer(.closed)
        },
        AdversarialCase(
            "39: the client is elsewhere", on: CleanRuns.local, [.unproven], [.otherNamespace]
        ) {
            run in
            run.change("gpu") { facts in
                var other = Parts.sockets(
                    listeners: [], flows: [Parts.socket("127.0.0.1:40009", "127.0.0.1:8080")])
                other.isOwn = false
                facts.sockets?.append(other)
            }
        },
        AdversarialCase("the tunnel is down", on: ssh, [.down], [.tunnelDown]) { run in
            tunnel(&run) { $0.state = .connecting }
            run.answer(.closed)
        },
        AdversarialCase("another host key", on: ssh, [.unproven], [.hostKeyMismatch]) { run in
            tunnel(&run) { $0.algorithms?.hostKey = Parts.key(99) }
        },
        AdversarialCase("an old cipher", on: ssh, [.unproven], [.weakSSH]) { run in
            tunnel(&run) { $0.algorithms?.cipherIn = "aes128-cbc" }
        },
        AdversarialCase("nothing listens", [.down], [.notListening]) { run in
            run.change("gpu") { $0.sockets?[0].listeners = [] }
            run.answer(.closed)
        },
        AdversarialCase("something answers, and nothing listens", [.unproven], [.rewritten]) {
            $0.change("gpu") { $0.sockets?[0].listeners = [] }
        },
        AdversarialCase("an old TLS", on: tls, [.unproven], [.weakTLS]) { run in
            run.change("edge") { $0.probes?[0].tls?.version = "TLSv1.1" }
        },
        AdversarialCase("TLS without a cipher", on: tls, [.unproven], [.weakTLS]) { run in
            run.change("edge") {
                $0.probes?[0].tls?.version = "TLSv1.2"
                $0.probes?[0].tls?.cipher = "ECDHE-RSA-NULL-SHA"
            }
        },
        AdversarialCase("somebody's certificate", on: tls, [.unproven], [.untrustedCertificate]) {
            run in
            run.change("edge") {
                $0.probes?[0].tls?.isTrusted = false
                $0.probes?[0].tls?.trustProblem = "self-signed certificate"
            }
        },
        AdversarialCase("a certificate of yesterday", on: tls, [.unproven], [.untrustedCertificate])
        {
            run in
            run.change("edge") { $0.probes?[0].tls?.expires = JudgeRun.now - 1 }
        },
        AdversarialCase("a certificate of this week", on: tls, [.encrypted], [.certificateEndsSoon])
        {
            run in
            run.change("edge") { $0.probes?[0].tls?.expires = JudgeRun.now + 86400 }
        },
        AdversarialCase("it listens wider than declared", on: ssh, [.unproven], [.listensTooWide]) {
            run in
            open(&run)
            run.change("gpu") { $0.sockets?[0].listeners = [Parts.socket("[::]:8080")] }
        },
        AdversarialCase("marks, and a rule by mark", [.unproven], [.routeBypass]) { run in
            open(&run)
            run.change("edge") { facts in
                facts.rewriting?.rules = [
                    Parts.rule(.mark, "tcp dport 8080 meta mark set 7", ports: [8080])
                ]
                facts.routing?.rules = ["60: from all fwmark 0x7 lookup 100"]
            }
        },
        AdversarialCase("a rule by client port", [.unproven], [.routeBypass]) {
            open(&$0)
            $0.change("edge") { $0.routing?.rules = ["60: from all sport 40000-50000 lookup 9"] }
        },
        AdversarialCase("only one user is led elsewhere", [.unproven], [.routeBypass]) { run in
            run.change("edge") { facts in
                guard var answer = facts.routing?.answers.first else { return }
                answer.user = 1000
                answer.interface = "eth0"
                facts.routing?.answers.append(answer)
            }
        },
        AdversarialCase("marks, and a route by mark", [.unproven], [.routeBypass]) { run in
            open(&run)
            run.change("edge") { facts in
                facts.rewriting?.rules = [Parts.rule(.mark, "meta mark set 7")]
                facts.routing?.rules = ["60: from all to 192.0.2.1 fwmark 0x7 lookup 100"]
                facts.routing?.strays = ["default dev tun0 table 100"]
            }
        },
        AdversarialCase("containers are led elsewhere", [.unproven], [.routeBypass]) { run in
            open(&run)
            run.change("edge") { facts in
                facts.routing?.rules = ["60: from all iif docker0 lookup 100"]
                facts.routing?.strays = ["default via 198.51.100.254 dev eth0 table 100"]
            }
        },
        AdversarialCase("a rule by something unknown", [.unproven], [.routeBypass]) {
            open(&$0)
            $0.change("edge") {
                $0.routing?.rules = ["60: from all [also by attribute 29] lookup 9"]
            }
        },
        AdversarialCase("the client's user was not asked for", [.unproven], [.notLookedAt]) {
            $0.change("edge") { $0.probes?[0].order.user = 1000 }
        },
        AdversarialCase("a copy is made", [.unproven], [.rewritten]) {
            $0.change("gpu") {
                $0.rewriting?.mirrors = [
                    "mp0-lab ingress: matchall mirred mirror to egress of eth0"
                ]
            }
        },
        AdversarialCase("more paths for MPTCP", [.unproven], [.rewritten]) {
            open(&$0)
            $0.change("edge") { $0.rewriting?.multipathEndpoints = ["198.51.100.1 id 1 subflow"] }
        },
        AdversarialCase(
            "the answers lead past one leg", on: CleanRuns.hub, [.unproven], [.rewritten]
        ) {
            $0.change("store") {
                $0.rewriting?.rules = [
                    Parts.rule(.dnat, "tcp dport 8080 dnat to 192.0.2.9", ports: [8080])
                ]
            }
        },
        AdversarialCase("counters stand still", [.unproven], [.countersStill]) { run in
            run.change("gpu") { $0.earlierInterfaces = $0.interfaces }
        },
    ]

    static let gaps: [AdversarialCase] = [
        AdversarialCase("42: the capture died", [.unproven], [.captureIncomplete]) {
            $0.underlay("gpu") { $0.isAlive = false }
        },
        AdversarialCase("42: it dropped", [.unproven], [.captureIncomplete]) {
            $0.underlay("edge") { $0.drops = 1 }
        },
        AdversarialCase("42: it cut short", [.unproven], [.captureIncomplete]) {
            $0.underlay("gpu") { $0.truncated = 1 }
        },
        AdversarialCase("42: it kept too little", [.unproven], [.captureIncomplete]) {
            $0.capture("gpu") { $0.isOverfull = true }
        },
        AdversarialCase("42: it began after the probe", [.unproven], [.captureIncomplete]) {
            $0.underlay("edge") { $0.began = Parts.time(3) }
        },
        AdversarialCase("42: it was too short", [.unproven], [.captureIncomplete]) {
            $0.underlay("gpu") { $0.ended = Parts.time(1) }
        },
        AdversarialCase("a device was not watched", [.unproven], [.captureIncomplete]) {
            $0.change("gpu") { $0.links?.append(Parts.link("wlan0", 8, nil, [])) }
        },
        AdversarialCase("the capture is blind", [.unproven], [.controlUnseen]) {
            $0.capture("gpu") { $0.controls = [] }
        },
        AdversarialCase("the canary did not pass inside", [.unproven], [.canaryUnseen]) {
            $0.capture("gpu") { $0.canaries = [] }
        },
        AdversarialCase("no WireGuard on the wire", [.unproven], [.controlUnseen]) {
            $0.capture("edge") { $0.flows = [] }
        },
        AdversarialCase("43: facts of another run", [.unproven], [.factsRefused]) {
            $0.change("gpu") { $0.nonce = "another" }
        },
        AdversarialCase("43: facts of another node", [.unproven], [.factsRefused]) {
            $0.change("gpu") { $0.node = "store" }
        },
        AdversarialCase("43: they were refused before", [.unproven], [.factsRefused]) {
            $0.evidence.facts["gpu"] = nil
            $0.evidence.missing["gpu"] = MissingFacts(
                wereRefused: true, message: "of another boot", fix: "verify again")
        },
        AdversarialCase("a node is silent", [.unproven], [.nodeSilent]) {
            $0.evidence.facts["gpu"] = nil
        },
        AdversarialCase("the hub is silent", on: CleanRuns.hub, [.unproven], [.nodeSilent]) {
            $0.evidence.facts["store"] = nil
        },
        AdversarialCase("other clear traffic passed", [.unproven], [.undeclaredTraffic]) {
            $0.wire("198.51.100.1:40009", "198.51.100.2:9100")
        },
        AdversarialCase("TLS of its own goes past", [.unproven], [.undeclaredTraffic]) {
            $0.wire("198.51.100.1:40009", "198.51.100.2:8080", appearance: .tls)
        },
        AdversarialCase("other encrypted traffic passed", [.encrypted], [.undeclaredTraffic]) {
            $0.wire("198.51.100.1:40009", "198.51.100.2:9100", appearance: .tls)
        },
        AdversarialCase("a namespace could not be read", [.unproven], [.notLookedAt]) {
            $0.change("gpu") {
                $0.failures = [FactFailure(section: "sockets", message: "EACCES", fix: "be root")]
            }
        },
        AdversarialCase("a telephone sleeps", on: CleanRuns.phone, [.unproven], [.idlePeer]) {
            run in
            run.change("gpu") {
                $0.sockets?[0].flows = []
                $0.earlierInterfaces = $0.interfaces
            }
        },
        AdversarialCase(
            "34: a connection goes on to a third host", on: tls, [.encrypted], [.undeclaredTraffic]
        ) {
            run in
            run.evidence.facts["store"] = CleanRuns.facts("store")
            run.change("gpu") {
                $0.sockets?[0].flows = [Parts.socket("198.51.100.2:50100", "198.51.100.3:9000")]
            }
        },
    ]
}
