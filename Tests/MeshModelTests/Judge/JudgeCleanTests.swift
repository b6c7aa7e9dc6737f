import MeshModel
import Testing

@Suite("The judge, where nothing is wrong,")
struct JudgeCleanTests {
    @Test(
        "calls an edge encrypted and enforced, with nothing to say", arguments: Transport.allCases)
    func clean(via: Transport) {
        let verdict = CleanRuns.run(via).verdict
        #expect(verdict.findings.isEmpty, "\(verdict.findings.map(\.message))")
        #expect(verdict.level == .enforced)
        #expect(verdict.verdict == .encrypted)
        #expect(!verdict.carriers.isEmpty)
    }

    @Test("does so for an SSH tunnel over the mesh, and while keys are rotated")
    func layered() {
        for run in [CleanRuns.ssh(.mesh), CleanRuns.rotating(), CleanRuns.passive()] {
            let verdict = run.verdict
            #expect(verdict.findings.isEmpty, "\(verdict.findings.map(\.message))")
            #expect(verdict.level == .enforced)
            #expect(verdict.verdict == .encrypted)
        }
        #expect(CleanRuns.rotating().verdict.carriers.count == 2)
    }

    @Test(
        "takes a tunnel as it was before a rotation's step, where the controller says what that was"
    )
    func rotatedTunnel() {
        var run = CleanRuns.run(.ssh)
        run.edge.formerTunnel = run.edge.tunnel
        run.edge.tunnel?.clientKey = JudgeParts.key(98)
        run.edge.tunnel?.hostKeys = [JudgeParts.key(99)]
        #expect(run.verdict.level == .enforced && run.codes.isEmpty, "\(run.codes)")
        run.edge.formerTunnel?.clientKey = JudgeParts.key(97)
        #expect(run.codes.contains(.drift) && run.codes.contains(.hostKeyMismatch))
        #expect(run.verdict.verdict == .unproven)
    }

    @Test("notes that a hub reads what it passes on")
    func hub() {
        let run = CleanRuns.hub()
        #expect(run.codes == [.clearWithinHost], "\(run.verdict.findings.map(\.message))")
        #expect(run.verdict.level == .enforced)
        #expect(run.verdict.verdict == .encrypted)
    }

    @Test("takes one end's word, and says whose, where the other cannot be asked")
    func phone() {
        let run = CleanRuns.phone()
        #expect(run.codes.isEmpty, "\(run.verdict.findings.map(\.message))")
        #expect(run.verdict.witnesses.count == 1)
        #expect(CleanRuns.wireguard().verdict.witnesses.count == 2)
        #expect(run.verdict.level == .enforced)
        #expect(run.verdict.verdict == .encrypted)
    }

    @Test("lets a port that Docker publishes be")
    func container() {
        let run = CleanRuns.container()
        #expect(run.codes.isEmpty, "\(run.verdict.findings.map(\.message))")
        #expect(run.verdict.verdict == .encrypted)
    }

    @Test("lets rules be that have nothing to do with the edge")
    func foreignRules() {
        var run = CleanRuns.wireguard()
        let rules = [
            JudgeParts.rule(.snat, "ip saddr 172.17.0.0/16 oifname != \"docker0\" masquerade"),
            JudgeParts.rule(.snat, "oifname \"eth0\" masquerade"),
            JudgeParts.rule(.dnat, "tcp dport 443 dnat to 192.0.2.1", ports: [443]),
            JudgeParts.rule(
                .dnat, "ip daddr 203.0.113.1 dnat to 192.0.2.1", destinations: ["203.0.113.1/32"]),
            JudgeParts.rule(
                .dnat, "iifname \"eth0\" tcp dport 8080 dnat to 192.0.2.1", ports: [8080]),
            JudgeParts.rule(.snat, "meta mark & 0x00ff0000 == 0x00040000 masquerade"),
            JudgeParts.rule(
                .mark, "ip daddr 192.0.2.1 meta mark set 0x80000", destinations: ["192.0.2.1/32"]),
        ]
        run.changeAll { facts in
            facts.rewriting?.rules = rules
            facts.routing?.rules = [
                "5210: from all fwmark 0x80000/0xff0000 lookup 9", "5270: from all lookup 52",
            ]
            facts.routing?.strays = [
                "10.99.0.0/16 via 198.51.100.254 dev eth0", "default dev tun0 table 9",
            ]
            facts.rewriting?.mirrors = [
                "eth0 ingress: matchall mirred redirect to egress of ifb0", "eth0 xdp: program 7",
            ]
        }
        #expect(run.codes.isEmpty, "\(run.verdict.findings.map(\.message))")
        #expect(run.verdict.level == .enforced)
    }

    @Test("lets the run's own attempts from a peer be, as in a mesh of two")
    func ownAttempts() {
        var run = CleanRuns.wireguard()
        let probes = run.evidence.facts["store"]?.probes ?? []
        run.evidence.facts["store"] = nil
        run.change("edge") { facts in
            facts.probes? += probes.map { probe in
                var probe = probe
                probe.vantage = "edge"
                return probe
            }
        }
        run.wire("198.51.100.1:50001", "198.51.100.2:8080", appearance: .empty, payload: 0)
        run.wire("198.51.100.1:50002", "10.77.0.2:8080", appearance: .empty, payload: 0)
        #expect(run.codes.isEmpty, "\(run.verdict.findings.map(\.message))")
        #expect(run.verdict.level == .enforced)
    }

    @Test("lets what a machine passes on for others be, unless it is the service's")
    func passing() {
        var run = CleanRuns.wireguard()
        run.wire("198.51.100.1:40009", "203.0.113.7:443", appearance: .tls)
        run.wire("198.51.100.1:40009", "203.0.113.7:80", appearance: .empty, payload: 0)
        #expect(run.codes.isEmpty)
        run.wire("198.51.100.1:40009", "203.0.113.7:80")
        run.wire("198.51.100.1:40010", "203.0.113.7:80")
        #expect(run.verdict.findings.map(\.severity) == [.minor])
        #expect(run.verdict.findings.first?.message.contains("1 more like it") == true)
        #expect(run.verdict.verdict == .encrypted)
        run.wire("198.51.100.1:40009", "172.17.0.2:8080")
        #expect(run.codes.contains(.clearTraffic))
        #expect(run.verdict.verdict == .exposed)
    }
}
