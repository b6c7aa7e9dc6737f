import MeshModel

/// Clean evidence of less usual edges.
extension CleanRuns {
    private typealias Parts = JudgeParts

    /// `edge` to `gpu` through `store`.
    static func hub() -> JudgeRun {
        var run = wireguard()
        run.edge.hub = "store"
        run.edge.links = [link("edge", "store"), link("store", "gpu")]
        let probes = run.evidence.facts["store"]?.probes
        guard let from = run.evidence.facts["edge"], let to = run.evidence.facts["gpu"] else {
            return run
        }
        func fresh(_ old: NodeFacts) -> NodeFacts {
            var new = facts(old.node)
            (new.sockets, new.probes, new.routing) = (old.sockets, old.probes, old.routing)
            return new
        }
        var (near, far, middle) = (fresh(from), fresh(to), facts("store"))
        middle.probes = probes
        mesh(&near, &middle)
        mesh(&middle, &far)
        wire(.wireguard, "51820", "51820", 17, .wireguard, &near, &middle)
        wire(.wireguard, "51820", "51820", 17, .wireguard, &middle, &far)
        seen([interface, interface], &near, &far)
        run.evidence.facts = ["edge": near, "gpu": far, "store": middle]
        // A spoke's one peer is the hub, and what may pass it is the whole overlay.
        for node in ["edge", "gpu"] {
            run.peers(node) { peers in
                peers[0].allowedIPs = [Parts.prefix("10.77.0.0/24"), Parts.prefix("fd77::/64")]
            }
        }
        return run
    }

    /// Real traffic instead of probes.
    static func passive() -> JudgeRun {
        var run = wireguard()
        run.evidence.passive = 5
        let flows = [
            Parts.socket("10.77.0.1:40009", "10.77.0.2:8080", "webui (pid 4)"),
            Parts.socket("10.77.0.2:8080", "10.77.0.1:40009"),
        ]
        run.change("edge") { facts in
            facts.probes = []
            facts.sockets?[0].flows = [flows[0]]
            facts.capture?.canaries = []
        }
        run.change("gpu") { facts in
            facts.sockets?[0].flows = [flows[1]]
            facts.capture?.canaries = []
        }
        return run
    }

    /// From a telephone that cannot be asked.
    static func phone() -> JudgeRun {
        var run = passive()
        run.evidence.passive = nil
        run.edge.from.managed = false
        run.edge.from.guarded = false
        run.evidence.facts["edge"] = nil
        return run
    }

    /// A service in a container whose port is published on the node.
    static func container() -> JudgeRun {
        var run = wireguard()
        run.change("gpu") { facts in
            facts.links?.append(Parts.link("docker0", 9, "bridge", ["172.17.0.1/16"]))
            facts.capture?.devices.append(Parts.device("docker0", 9, .inner))
            facts.rewriting?.rules = [
                Parts.rule(
                    .dnat, "iifname != \"docker0\" tcp dport 8080 dnat to 172.17.0.2:8080",
                    ports: [8080]),
                Parts.rule(
                    .snat, "ip saddr 172.17.0.0/16 oifname != \"docker0\" masquerade"),
            ]
            facts.tracked = [
                TrackedConnection(
                    ipProtocol: 6, source: Parts.endpoint("10.77.0.1:40001"),
                    destination: Parts.endpoint("10.77.0.2:8080"),
                    replySource: Parts.endpoint("172.17.0.2:8080"),
                    replyDestination: Parts.endpoint("10.77.0.1:40001"))
            ]
            var inside = Parts.sockets(listeners: [Parts.socket("0.0.0.0:8080")])
            inside.isOwn = false
            inside.namespace = 4026532000
            facts.sockets = [Parts.sockets(listeners: []), inside]
        }
        return run
    }

    /// Keys are being rotated: both generations stand.
    static func rotating() -> JudgeRun {
        var run = wireguard()
        run.edge.links.append(link("edge", "gpu", generation: 1))
        guard var from = run.evidence.facts["edge"], var to = run.evidence.facts["gpu"] else {
            return run
        }
        mesh(&from, &to, generation: 1)
        run.evidence.facts["edge"] = from
        run.evidence.facts["gpu"] = to
        return run
    }
}
