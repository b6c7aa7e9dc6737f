import MeshModel
import TestSupport

/// Clean evidence, what may go wrong with it, and what may be missing of it, at random.
enum RandomEvidence {
    static let cleans: [JudgeRun] = [
        CleanRuns.wireguard(), CleanRuns.ssh(), CleanRuns.ssh(.mesh), CleanRuns.overTLS(.tls),
        CleanRuns.overTLS(.mtls), CleanRuns.local(), CleanRuns.hub(), CleanRuns.phone(),
        CleanRuns.passive(), CleanRuns.container(), CleanRuns.rotating(),
    ]

    /// The same without guards, which keep in what would lead past the mesh.
    static let open: [JudgeRun] = cleans.map { clean in
        var run = clean
        AdversarialCase.open(&run)
        return run
    }

    static func run(_ random: inout SplitMix) -> JudgeRun { random.pick(cleans) }

    // MARK: what goes wrong

    typealias Change = @Sendable (inout JudgeRun) -> Void

    static let damages: [(String, Change)] = [
        ("leak", { $0.leak(at: "gpu") }),
        ("clear on the wire", { $0.wire("198.51.100.1:40009", "198.51.100.2:8080") }),
        ("other clear on the wire", { $0.wire("198.51.100.1:40009", "198.51.100.2:9100") }),
        ("overlay on the wire", { $0.wire("198.51.100.1:40009", "10.77.0.2:9") }),
        ("drops", { $0.underlay("gpu") { $0.drops = 7 } }),
        ("dead", { $0.underlay("gpu") { $0.isAlive = false } }),
        ("overfull", { $0.capture("gpu") { $0.isOverfull = true } }),
        ("no answer", { $0.answer(.silent) }),
        ("down", { $0.interface("gpu") { $0.isUp = false } }),
        ("foreign", { $0.interface("gpu") { $0.kind = .foreign(kind: "veth") } }),
        ("own key", { $0.interface("gpu") { $0.device?.publicKey = JudgeParts.key(70) } }),
        (
            "peer key",
            {
                $0.peers("gpu") { peers in
                    // Whether a thief of the prefix has merely an end's former key cannot be told.
                    if peers.contains(where: { $0.publicKey == JudgeParts.key(90) }) { return }
                    peers = peers.map { changed($0) { $0.publicKey = JudgeParts.key(71) } }
                }
            }
        ),
        (
            "theft",
            {
                $0.peers("gpu") { peers in
                    guard !peers.isEmpty else { return }
                    peers.append(
                        changed(peers[0]) {
                            $0.publicKey = JudgeParts.key(90)
                            $0.allowedIPs = [JudgeParts.prefix("10.77.0.1/32")]
                        })
                }
            }
        ),
        (
            "stale",
            {
                $0.peers("gpu") { peers in
                    peers = peers.map { changed($0) { $0.lastHandshake -= 500 } }
                }
            }
        ),
        ("counters", { $0.change("gpu") { $0.earlierInterfaces = $0.interfaces } }),
        (
            "route",
            {
                $0.change("gpu") { facts in
                    guard let count = facts.routing?.answers.count, count > 0 else { return }
                    facts.routing?.answers[0].interface = "eth0"
                }
            }
        ),
        ("stray", { $0.change("gpu") { $0.routing?.strays.append("10.77.0.1 dev eth0") } }),
        (
            "rule",
            { $0.change("gpu") { $0.routing?.rules.append("9: from all sport 8080 lookup 9") } }
        ),
        (
            "rewriting",
            {
                $0.change("gpu") {
                    $0.rewriting?.rules.append(JudgeParts.rule(.duplicate, "dup to 192.0.2.1"))
                }
            }
        ),
        ("mirror", { $0.change("gpu") { $0.rewriting?.mirrors.append("lo mirror") } }),
        ("MPTCP", { $0.change("gpu") { $0.rewriting?.multipathEndpoints.append("192.0.2.1") } }),
        (
            "bypass",
            {
                $0.connect("gpu", JudgeParts.socket("198.51.100.2:8080", "198.51.100.1:40009"))
            }
        ),
        (
            "outsider",
            { run in
                run.evidence.controllerProbes.append(
                    JudgeParts.probe(
                        run.edge.id, .outsider, "198.51.100.2:8080", .connect, .answered,
                        from: "controller"))
            }
        ),
        ("refusals", { $0.changeProbes(where: { $0.purpose == .refusal }, .answered) }),
        (
            "refusals silent",
            { run in
                // What was let in stays so.
                let isAnyIn = run.evidence.facts.values.flatMap { $0.probes ?? [] }.contains {
                    $0.order.purpose == .refusal && $0.outcome == .answered
                }
                if isAnyIn { return }
                run.changeProbes(where: { $0.purpose == .refusal }, .silent)
            }
        ),
        ("guard", { $0.change("gpu") { $0.agent?.guard?.differences.append("rule gone") } }),
        (
            "server",
            { $0.change("gpu") { $0.agent?.tunnelServer?.differences.append("PermitOpen any") } }
        ),
        (
            "tunnel",
            { run in
                AdversarialCase.tunnel(&run) { $0.state = .refused }
            }
        ),
        (
            "old TLS",
            {
                $0.change("edge") { facts in
                    facts.probes = facts.probes?.map { probe in
                        var probe = probe
                        probe.tls?.version = "TLSv1"
                        return probe
                    }
                }
            }
        ),
        (
            "failure",
            {
                $0.change("gpu") {
                    $0.failures.append(
                        FactFailure(section: "sockets", message: "EACCES", fix: "be root"))
                }
            }
        ),
        (
            "unwatched",
            { $0.change("gpu") { $0.links?.append(JudgeParts.link("usb0", 30, nil, [])) } }
        ),
    ]

    private static func changed<Value>(_ value: Value, _ body: (inout Value) -> Void) -> Value {
        var value = value
        body(&value)
        return value
    }

    static func damage(
        _ run: inout JudgeRun, _ random: inout SplitMix, upTo most: Int
    ) -> [String] {
        random.some(damages, upTo: most).map { name, change in
            change(&run)
            return name
        }
    }

    // MARK: what is missing

    static let sections: [(String, @Sendable (inout NodeFacts) -> Void)] = [
        ("earlierInterfaces", { $0.earlierInterfaces = nil }),
        ("interfaces", { $0.interfaces = nil }), ("links", { $0.links = nil }),
        ("routing", { $0.routing = nil }), ("sockets", { $0.sockets = nil }),
        ("tracked", { $0.tracked = nil }), ("rewriting", { $0.rewriting = nil }),
        ("agent", { $0.agent = nil }), ("capture", { $0.capture = nil }),
        ("probes", { $0.probes = nil }),
    ]

    /// Takes something away that speaks for the edge.
    static func remove(from run: inout JudgeRun, _ random: inout SplitMix) -> String {
        let node = random.pick(CleanRuns.nodes)
        if random.chance(8) {
            run.evidence.facts[node] = nil
            return node
        }
        if random.chance(3) {
            let (name, section) = random.pick(sections)
            run.change(node, section)
            return "\(name) of \(node)"
        }
        var choice = random
        var what = ""
        run.change(node) { facts in what = thin(&facts, &choice) }
        random = choice
        return "\(what) of \(node)"
    }

    private static func thin(_ facts: inout NodeFacts, _ random: inout SplitMix) -> String {
        func drop<Element>(
            _ list: inout [Element]?, where isGood: (Element) -> Bool = { _ in true }
        ) {
            guard var all = list else { return }
            let good = all.indices.filter { isGood(all[$0]) }
            if good.isEmpty { return }
            all.remove(at: random.pick(Array(good)))
            list = all
        }
        switch Int.random(in: 0..<9, using: &random) {
        case 0:
            drop(&facts.probes) { probe in
                switch probe.order.purpose {
                case .edge: probe.outcome == .answered
                case .outsider: probe.outcome == .silent || probe.outcome == .refused
                case .refusal, .forbidden: probe.outcome == .refused
                }
            }
            return "a probe"
        case 1:
            var list = facts.capture?.devices
            drop(&list)
            if let list { facts.capture?.devices = list }
            return "a device"
        case 2:
            var list = facts.capture?.controls
            drop(&list)
            if let list { facts.capture?.controls = list }
            return "a control"
        case 3:
            var list = facts.capture?.canaries
            drop(&list) { $0.role == .inside }
            if let list { facts.capture?.canaries = list }
            return "a canary inside"
        case 4:
            var list = facts.capture?.flows
            drop(&list) { $0.kind != .undeclared }
            if let list { facts.capture?.flows = list }
            return "a flow"
        case 5:
            var list = facts.routing?.answers
            drop(&list) { $0.group == Ownership.linkGroup && $0.interface != "eth0" }
            if let list { facts.routing?.answers = list }
            return "an answer"
        case 6:
            var list = facts.sockets?.first?.listeners
            drop(&list)
            if let list { facts.sockets?[0].listeners = list }
            return "a listener"
        case 7:
            drop(&facts.interfaces)
            return "an interface"
        default:
            facts.agent?.guard = nil
            facts.agent?.tunnelServer = nil
            facts.agent?.tunnels = []
            return "what the agent keeps"
        }
    }
}
