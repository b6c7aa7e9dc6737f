import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "The guard makes the topology the only way in, and failure closed", .serialized,
    .enabled(if: LabConditions.isRoot))
struct GuardTests {
    /// Clear ways in that are open without the guard: an outsider's, and a peer's that no edge declares.
    private static let waysIn: [(from: String, to: String)] = [
        ("lan", "198.51.100.12:8080"),  // on every address
        ("lan", "[2001:db8:6d70::12]:8080"),
        ("lan", "10.88.0.2:8081"),  // the weak host model
        ("lan", "[fd88::2]:8081"),
        ("lan", "198.51.100.12:8082"),  // published from a container
        ("ant", "198.51.100.12:8080"),
        ("ant", "10.88.0.2:8083"),  // no edge
        ("ant", "[fd88::2]:8083"),
    ]

    private static let declared: [(from: String, to: String)] = [
        ("ant", "10.88.0.2:8080"), ("ant", "[fd88::2]:8080"),
        ("ant", "10.88.0.2:8081"), ("ant", "[fd88::2]:8081"),
        ("ant", "10.88.0.2:8082"),
        ("bee", "127.0.0.1:8080"), ("bee", "10.88.0.2:8083"), ("bee", "[::1]:8083"),
    ]

    @Test(
        "ways in that are open without it are closed with it; declared edges work in both; off removes it"
    )
    func waysIn() throws {
        let world = try GuardedLab("tguard", guarded: false)
        let foreign = try world.shell("bee", "nft list table ip docker")
        for way in Self.waysIn + Self.declared {
            #expect(try world.reaches(way.from, way.to), "off: \(way)")
        }
        #expect(try world.shell("bee", "nft list tables") == "table ip docker")

        try world.turn(true)
        for way in Self.waysIn {
            #expect(try !world.reaches(way.from, way.to), "on: \(way)")
        }
        for way in Self.declared {
            #expect(try world.reaches(way.from, way.to), "on: \(way)")
        }
        for address in ["10.88.0.2", "fd88::2"] {
            #expect(try world.lab.on("ant", "ping", "-c1", "-W5", address).status.isSuccess)
        }
        let drops = try world.drops("bee")
        for reason in [GuardDrop.Reason.undeclared, .weakHost, .shield] {
            #expect(drops[reason, default: 0] > 0, "\(reason): \(drops)")
        }
        #expect(try world.lab.status().status == .code(0))
        #expect(try world.lab.plan().status == .code(0))
        #expect(try world.shell("bee", "nft list table ip docker") == foreign)
        // The operator's own way in: `up` itself came and was confirmed by SSH over the underlay.
        #expect(
            try world.shell("lan", "bash -c 'head -c 7 </dev/tcp/198.51.100.12/22'") == "SSH-2.0")

        try world.turn(false)
        #expect(try world.shell("bee", "nft list tables") == "table ip docker")
        #expect(try world.shell("bee", "nft list table ip docker") == foreign)
        #expect(try world.reaches("lan", "198.51.100.12:8080"))
        #expect(try world.drops("bee").isEmpty)
    }
    /// What leads packets for the overlay past the mesh on `ant`, and how it is undone.
    private static let bypasses: [(what: String, make: String, undo: String)] = [
        (
            "a more direct route", "ip route replace 10.88.0.2/32 via 198.51.100.12",
            "ip route replace 10.88.0.2/32 dev mp0-tclosed proto 109 src 10.88.0.1"
        ),
        (
            "a rule for one port",
            """
            ip route add 10.88.0.2/32 via 198.51.100.12 table 100
            ip rule add pref 50 ipproto tcp dport 8080 lookup 100
            """,
            "ip rule del pref 50; ip route flush table 100"
        ),
        (
            "rewritten on the way out",
            """
            nft -f - <<'END'
            table ip detour {
                chain rewrite { type nat hook output priority -100; policy accept;
                    ip daddr 10.88.0.2 tcp dport 8080 dnat to 198.51.100.12:8080
                }
                chain hide { type nat hook postrouting priority srcnat; policy accept;
                    ip daddr 198.51.100.12 masquerade
                }
            }
            END
            """,
            "nft delete table ip detour"
        ),
    ]

    @Test(
        "nothing for the overlay leaves by the underlay: not past the mesh, and not when it is down"
    )
    func failsClosed() throws {
        let world = try GuardedLab("tclosed", guarded: false)
        let patience = LabConditions.isUnderEmulation ? 10 : 2
        for isOn in [false, true] {
            if isOn { try world.turn(true) }
            for bypass in Self.bypasses {
                let canary = "canary-\(UInt32.random(in: 1 ... .max))"
                let capture = try Capture(world.lab, "tcp port 8080")
                try world.shell("ant", bypass.make)
                _ = try world.lab.on(
                    "ant", "curl", "-sS", "-m", "\(patience)", "http://10.88.0.2:8080/\(canary)")
                #expect(
                    try capture.saw(canary, within: isOn ? 1 : 20) == !isOn,
                    "\(bypass.what) \(isOn)")
                try world.shell("ant", bypass.undo)
            }
            // Down, and with everything gone that would have refused: the default route is what is left.
            let capture = try Capture(world.lab, "icmp or icmp6")
            try world.shell(
                "ant",
                """
                ip route add default via 198.51.100.254 2>/dev/null || true
                ip -6 route add default via 2001:db8:6d70::1 2>/dev/null || true
                ip link set mp0-tclosed down
                ip route flush proto 109; ip -6 route flush proto 109
                ping -c 2 -i 0.2 -W 1 10.88.0.2 || true
                ping -c 2 -i 0.2 -W 1 fd88::2 || true
                """)
            #expect(try capture.saw("> 10.88.0.2: ICMP", within: isOn ? 1 : 10) == !isOn)
            #expect(try capture.saw("> fd88::2: ICMP6", within: isOn ? 1 : 10) == !isOn)
        }
        #expect(try world.drops("ant")[.failClosed, default: 0] > 4)
        // And it comes back by itself.
        #expect(
            try LabMesh.wait(LabConditions.isUnderEmulation ? 90 : 30) {
                try world.lab.on("ant", "ping", "-c1", "-W1", "10.88.0.2").status.isSuccess
            })
    }

    @Test(
        "a table that is removed or changed by hand is the plan's one step, and is mended within 30 s"
    )
    func drift() throws {
        let lab = try LabMesh("tgdrift", hosts: ["ant", "bee"], tail: GuardedLab.tail)
        try lab.up()
        let table = "inet meshproof-tgdrift"
        let tampering = [
            ("nft delete table \(table)", "there is none"),
            ("nft insert rule \(table) from-mesh accept", "chain from-mesh has a rule that is not"),
        ]
        for (command, reason) in tampering {
            var steps: [PlanStep] = []
            // The agent's own sweep may have come between the two commands; under emulation it always does.
            for _ in 0..<(LabConditions.isUnderEmulation ? 1 : 6) where steps.isEmpty {
                _ = try lab.on("bee", "sh", "-c", command)
                steps = try lab.plan().report.nodes.flatMap(\.steps)
            }
            #expect(steps.count == 1 || LabConditions.isUnderEmulation)
            #expect(steps.allSatisfy { $0.reason.hasPrefix(reason) }, "\(steps)")
            #expect(steps.allSatisfy { $0.summary.hasPrefix("set the guard:") }, "\(steps)")
            let limit: Double = LabConditions.isUnderEmulation ? 90 : 30
            let isMended = try LabMesh.wait(limit) {
                let report = try lab.status().report.nodes.first { $0.node == "bee" }?.report
                return report?.drift.isEmpty == true
                    && report?.repairs.contains {
                        $0.step.reason.hasPrefix(reason) && $0.failure == nil
                    } == true
            }
            #expect(isMended, "\(command)")
        }

        // An agent that starts without its controller, as at boot, sets it too.
        _ = try lab.on("bee", "pkill", "-9", "-f", "node agent")
        _ = try lab.on("bee", "nft", "delete", "table", "inet", "meshproof-tgdrift")
        let program = "/usr/local/lib/meshproof/meshproof"
        let agent = try Background(lab, "bee", program, "node", "agent", "--mesh", "tgdrift")
        #expect(
            try LabMesh.wait(30) {
                try lab.on("bee", "nft", "list", "table", "inet", "meshproof-tgdrift").status
                    .isSuccess
            })
        agent.end()

        _ = try lab.up()
        let down = try lab.meshproof("--lab", "down", "--yes", "--json")
        #expect(down.status == .code(0), "\(down.text) \(down.errorText)")
        for host in ["ant", "bee"] {
            #expect(try lab.on(host, "nft", "list", "ruleset").text == "")
        }
    }
    @Test("a hub passes on what edges between its spokes declare, and nothing else")
    func hub() throws {
        let tail = """
            services:
              web:   { on: cat, kind: http, port: 8080 }
              other: { on: cat, kind: http, port: 8083 }
            paths:
              data:
                edges:
                  - ant -> web: wireguard
            """
        let lab = try LabMesh(
            "tghub", hosts: ["ant", "bee", "cat"], tail: tail, peering: "{ hub: bee }")
        try lab.up()
        let forwarding = try lab.on(
            "bee", "sh", "-c",
            "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
        )
        try #require(forwarding.status.isSuccess)
        func reaches(_ from: String, _ place: String) throws -> Bool {
            let patience = LabConditions.isUnderEmulation ? "10" : "2"
            return try lab.on(
                from, "curl", "-gsS", "-o", "/dev/null", "--connect-timeout", patience,
                "http://\(place)/"
            ).status.isSuccess
        }
        #expect(try reaches("ant", "10.88.0.3:8080") && reaches("ant", "[fd88::3]:8080"))
        #expect(try lab.on("ant", "ping", "-c1", "-W5", "10.88.0.3").status.isSuccess)
        for (from, place) in [
            ("ant", "10.88.0.3:8083"), ("ant", "[fd88::3]:8083"), ("bee", "10.88.0.3:8080"),
        ] {
            #expect(try !reaches(from, place), "\(from) to \(place)")
        }
        let report = try lab.status().report
        func undeclared(_ node: String) -> UInt64? {
            report.nodes.first { $0.node == node }?.report?.observed.guard?.drops.first {
                $0.reason == .undeclared
            }?.packets
        }
        // The spoke's attempt ended at the hub, the hub's own at the spoke.
        #expect(try #require(undeclared("bee")) >= 2)
        #expect(try #require(undeclared("cat")) >= 1)
        #expect(undeclared("ant") == 0)
    }
}
