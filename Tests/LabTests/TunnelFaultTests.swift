import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "With 200 open connections a tunnel survives, or ends cleanly, and leaves nothing behind:",
    .serialized, .enabled(if: LabConditions.isRoot))
struct TunnelFaultTests {
    private static let connections = 200
    /// A sixth of a GiB for each of the six runs below.
    private static let share = (1 << 30) / 6 / connections

    /// A mesh with one tunnel, and what its agent held before any connection.
    private struct World {
        let lab: LabMesh
        let agent: Int32
        let before: Footprint

        init(_ name: String) throws {
            lab = try LabMesh(name, hosts: ["ant", "bee"], tail: TunnelLabTests.tail())
            let up = try lab.up()
            try #require(up.tunnels.map(\.state) == [.up])
            // Buffers that are made once are not what is looked for.
            #expect(try Traffic.knock(lab, "ant", port: "7000", count: 200) == 200)
            let pids = try lab.on("ant", "pgrep", "-f", "node agent --mesh \(name)").text
            agent = try #require(pids.split(separator: "\n").first.flatMap { Int32($0) })
            before = try Footprint(lab, agent)
        }

        /// 200 connections, each half-way through its bytes.
        func traffic(stalling count: Int = 0) throws -> Background {
            let traffic = try Background(
                lab, "ant", "/usr/bin/python3", Traffic.program, "drive", "7000",
                "\(TunnelFaultTests.connections)", "\(TunnelFaultTests.share)", "\(count)", "8")
            try #require(try traffic.saw("half", within: 120))
            return traffic
        }

        func tunnel() throws -> TunnelStatus {
            try #require(try lab.status().report.tunnels.first)
        }

        /// New connections work within 20 s, and the agent holds what it held before.
        func expectRecovery() throws {
            #expect(
                try LabMesh.wait(20) {
                    try Traffic.knock(lab, "ant", port: "7000", count: 1) == 1
                }, "no new connection within 20 s")
            #expect(
                try LabMesh.wait(20) { try Footprint(lab, agent).descriptors == before.descriptors }
            )
            // It gives memory back once the tunnel rests, with some left in pieces.
            func isSmall(_ now: Footprint) -> Bool { now.resident < before.resident + 16 << 20 }
            _ = try LabMesh.wait(20) { isSmall(try Footprint(lab, agent)) }
            let after = try Footprint(lab, agent)
            #expect(after.descriptors == before.descriptors)
            #expect(isSmall(after), "\(before) \(after)")
        }
    }

    /// What a process holds.
    private struct Footprint {
        let descriptors: Int
        /// *Units:* bytes.
        let resident: Int

        init(_ lab: LabMesh, _ pid: Int32) throws {
            let text = try lab.on(
                "ant", "sh", "-c",
                "ls /proc/\(pid)/fd | wc -l; awk '/VmRSS/ {print $2}' /proc/\(pid)/status"
            ).text.split(separator: "\n")
            descriptors = try #require(Int(text[0].filter(\.isNumber)))
            resident = try #require(Int(text[1])) << 10
        }
    }

    /// Every connection that is not whole was cut, and cut visibly: no wrong byte, and no end that looks like a good one.
    private func expectCut(_ result: Traffic.Result) {
        #expect(Set(result.outcomes.keys).isSubset(of: ["whole", "reset"]), "\(result.outcomes)")
        #expect((result.outcomes["reset"] ?? 0) > 0)
    }

    private func expectWhole(_ result: Traffic.Result) {
        #expect(result.outcomes == ["whole": Self.connections])
        #expect(result.received == UInt64(Self.connections * Self.share))
    }

    @Test("the session's own sshd is killed")
    func sessionKilled() throws {
        let world = try World("tfsess")
        let traffic = try world.traffic()
        let server = try #require(
            try world.lab.status().report.nodes.first { $0.node == "bee" }?.report?.observed
                .tunnelServer?.process)
        let killed = try world.lab.on(
            "bee", "sh", "-c",
            "pkill -9 -P \(server); for p in $(pgrep -u mp-tfsess); do kill -9 $p; done"
        )
        #expect(killed.status.isSuccess)
        try traffic.say("go")
        expectCut(try traffic.result(within: 120))
        try world.expectRecovery()
        #expect(try world.tunnel().observed?.reconnects ?? 0 >= 1)
    }

    @Test("the dedicated sshd is killed: what is open goes on")
    func serverKilled() throws {
        let world = try World("tfserv")
        let traffic = try world.traffic()
        let server = try #require(
            try world.lab.status().report.nodes.first { $0.node == "bee" }?.report?.observed
                .tunnelServer?.process)
        #expect(try world.lab.on("bee", "kill", "-9", "\(server)").status.isSuccess)
        try traffic.say("go")
        expectWhole(try traffic.result(within: 120))
        try world.expectRecovery()
        #expect(try world.tunnel().observed?.reconnects == 0)
    }

    @Test("the link is gone for 60 s: noticed within 20 s, and made up for within 20 s")
    func linkDown() throws {
        let world = try World("tflink")
        let traffic = try world.traffic()
        let cut = try world.lab.on(
            "bee", "sh", "-c",
            "nft 'add table inet cut; add chain inet cut in { type filter hook input priority -300; };"
                + " add rule inet cut in iifname eth0 tcp dport 51822 drop'")
        #expect(cut.status.isSuccess, "\(cut.errorText)")
        let began = Clocks.monotonic()
        try traffic.say("go")
        expectCut(try traffic.result(within: 25))
        // Refused at once while there is no session: nobody hangs.
        #expect(try Traffic.knock(world.lab, "ant", port: "7000", count: 2) == 0)
        #expect(try world.tunnel().state == .connecting)
        Clocks.sleep(max(0, 60 - (Clocks.monotonic() - began)))
        #expect(try world.lab.on("bee", "nft", "delete", "table", "inet", "cut").status.isSuccess)
        try world.expectRecovery()
    }

    @Test("the service is started again: the tunnel stays")
    func targetRestarted() throws {
        let world = try World("tftarg")
        let traffic = try world.traffic()
        #expect(
            try world.lab.on("bee", "pkill", "-9", "-f", "traffic.py serve").status.isSuccess)
        try traffic.say("go")
        let result = try traffic.result(within: 120)
        // The service's death closes its sockets; with bytes unread by resetting them, else as any end.
        #expect(result.outcomes["corrupt"] == nil && result.outcomes["surplus"] == nil)
        try world.expectRecovery()
        #expect(try world.tunnel().observed?.reconnects == 0)
    }

    @Test("ten readers stop reading: the others do not notice, and no byte is lost")
    func slowReaders() throws {
        let world = try World("tfslow")
        // `half` is printed once all but the ten are half-way, so that they are is the proof.
        let traffic = try world.traffic(stalling: 10)
        try traffic.say("go")
        expectWhole(try traffic.result(within: 120))
        try world.expectRecovery()
    }

    @Test("nothing happens: 1,000 connections at once, and 10,000 one after the other")
    func many() throws {
        let world = try World("tfmany")
        let traffic = try Background(
            world.lab, "ant", "/usr/bin/python3", Traffic.program, "drive", "7000", "1000",
            "\((1 << 30) / 6 / 1000)", "0", "0")
        try #require(try traffic.saw("open", within: 120))
        #expect(try world.tunnel().observed?.connections == 1_000)
        try #require(try traffic.saw("half", within: 120))
        try traffic.say("go")
        #expect(try traffic.result(within: 180).outcomes == ["whole": 1_000])
        #expect(
            try Traffic.knock(world.lab, "ant", port: "7000", count: 10_000) == 10_000)
        try world.expectRecovery()
        #expect(try world.tunnel().observed?.reconnects == 0)
    }
}
