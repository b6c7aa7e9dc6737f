import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite(
    "Some keys are rotated alone, and phones in their own time", .serialized,
    .enabled(if: LabConditions.isRoot))
struct RotationScopeLabTests {
    /// Every peering of a mesh of three, in both families.
    private static let pairs = [("ant", "10.88.0.2"), ("bee", "10.88.0.3"), ("ant", "fd88::3")]

    @Test("one node's keys alone: no packet is lost, and no other peering shakes hands for it")
    func node() throws {
        let world = try RotationLab("trotnode")
        let before = try world.hosts.map(world.keys)
        let pings = try Self.pairs.map { try PingWatch(world.lab, $0.0, $0.1) }
        Clocks.sleep(1)
        let owl = try world.shell("owl", "wg show mp0-trotnode public-key")
        let key = owl.split(separator: "\n").map(String.init)[0]
        let shaken = try world.handshakes("ant")[key]
        let report = try world.rotate("--node", "bee")
        #expect(report.outcome == .rotated, "\(report.error ?? "")")
        let handshakes = try world.handshakes("ant")
        for ping in pings {
            let seen = try ping.end()
            #expect(seen.missing == 0 && seen.answers > 50, "\(seen)")
        }
        print(
            "rotate --node: \(report.seconds) s, "
                + report.steps.map { "\($0.step.rawValue) \(Int($0.seconds * 1000)) ms" }
                .joined(separator: ", "))
        if !LabConditions.isUnderEmulation {
            #expect(shaken != nil && handshakes[key] == shaken, "ant and owl go on")
        }
        let after = try world.hosts.map(world.keys)
        // Each has one WireGuard key, two of SSH and two preshared keys.
        #expect(zip(before, after).map { $0.0.subtracting($0.1).count } == [1, 3, 1])
        for host in world.hosts {
            #expect(try world.traces(host, wireguard: 1, ssh: 1, port: 51821) == "")
        }
        #expect(try world.lab.plan().status == .code(0))
        #expect(try world.lab.status().report.keys.nodesSince.keys.sorted() == ["bee"])
    }

    @Test("preshared keys change in place, and no packet is lost")
    func preshared() throws {
        let world = try RotationLab("trotpsk")
        let before = try world.hosts.map(world.keys)
        let pings = try Self.pairs.map { try PingWatch(world.lab, $0.0, $0.1) }
        Clocks.sleep(1)
        let shaken = try world.hosts.map { try world.handshakes($0) }
        let report = try world.rotate("--psk")
        #expect(report.outcome == .rotated, "\(report.error ?? "")")
        for ping in pings {
            let seen = try ping.end()
            #expect(seen.missing == 0 && seen.answers > 50, "\(seen)")
        }
        print(
            "rotate --psk: \(report.seconds) s, "
                + report.steps.map { "\($0.step.rawValue) \(Int($0.seconds * 1000)) ms" }
                .joined(separator: ", "))
        let after = try world.hosts.map(world.keys)
        #expect(zip(before, after).map { $0.0.subtracting($0.1).count } == [2, 2, 2])
        for (host, old) in zip(world.hosts, shaken) {
            for (key, last) in try world.handshakes(host) {
                #expect(last > old[key, default: .max], "\(host) \(key)")
            }
        }
        #expect(try world.lab.plan().status == .code(0))
        if LabConditions.isUnderEmulation { return }
        #expect(try world.rotate("--psk", "--peering", "ant,owl").outcome == .rotated)
        let last = try world.hosts.map(world.keys)
        #expect(zip(after, last).map { $0.0.subtracting($0.1).count } == [1, 0, 1])
    }

    @Test("a phone is served by its old keys until it has fetched the new ones, and by those then")
    func grace() throws {
        let stand = try PhoneLab("trotgrace", nodes: ["ant", "bee"])
        let lab = stand.lab
        let old = try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--keep", "--conf")
        try stand.connectPhone(old.text)
        #expect(try stand.reaches("10.88.0.2:8080"))
        let ping = try PingWatch(lab, "pad", "10.88.0.2")

        let result = try Child.run(
            lab.command(["--lab", "rotate", "--json"] + RotationLab.patience), timeout: 600)
        let report = try lab.decode(RotateReport.self, result)
        #expect(report.outcome == .grace, "\(report.error ?? "") \(result.errorText)")
        #expect(report.grace.map(\.node) == ["phone"])
        Clocks.sleep(5)
        #expect(try stand.reaches("10.88.0.2:8080"))
        // The mesh can be worked with.
        let up = try lab.up()
        #expect(up.nodes.allSatisfy { $0.state == .unchanged } && up.rotation?.outcome == .grace)
        #expect(try lab.plan().status == .code(0))
        let status = try lab.meshproof("--lab", "status")
        #expect(status.status == .code(0), "\(status.text)")
        #expect(status.text.contains("meshproof peer show phone --qr"), "\(status.text)")
        // While it is heard, its edge is proven, by the keys that it has.
        // (The emulated kernel cannot list its sockets, so nothing is proven there.)
        if !LabConditions.isUnderEmulation {
            let verify = try lab.meshproof("--lab", "verify", "--no-receipt")
            #expect(verify.status == .code(0), "\(verify.text)")
        }
        #expect(try stand.reaches("10.88.0.2:8080"))
        let seen = try ping.end()
        #expect(seen.missing == 0 && seen.answers > 50, "\(seen)")
        let ports = try lab.on("bee", "wg", "show", "all", "listen-port").text
        #expect(ports.contains("51820") && ports.contains("51821"), "\(ports)")
        #expect(try !lab.on("ant", "wg", "show", "all", "listen-port").text.contains("51820"))

        let new = try stand.peer("show", "phone", "--conf").text
        #expect(new.contains(":51821") && old.text.contains(":51820"), "\(new)")
        _ = try lab.on("pad", "wg-quick", "down", "phone")
        try stand.connectPhone(new)
        let began = Clocks.monotonic()
        #expect(try LabMesh.wait(30) { try stand.reaches("10.88.0.2:8080") })
        print(
            "the phone is served by its new keys \(Clocks.monotonic() - began) s after it has them")
        let end = try lab.meshproof("--lab", "up", "--json")
        let last = try lab.decode(UpReport.self, end)
        #expect(last.rotation?.outcome == .rotated, "\(last.rotation?.error ?? end.errorText)")
        #expect(try !lab.on("bee", "wg", "show", "all", "listen-port").text.contains("51820"))
        #expect(try stand.reaches("10.88.0.2:8080"))
        #expect(try lab.status().report.rotation == nil && lab.plan().status == .code(0))
    }
}
