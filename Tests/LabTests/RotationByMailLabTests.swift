import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "A machine that nobody can log in to gets through rotations by mail", .serialized,
    .enabled(if: LabConditions.isRoot))
struct RotationByMailLabTests {
    /// With a fourth machine that has joined, and reaches a service on ant.
    private func joined(_ mesh: String) throws -> InviteLab {
        let world = try InviteLab(mesh)
        let invite = try world.invite("--listen", "198.51.100.254:7443", "--to", "web")
        let token = try #require(try invite.token())
        let joined = try world.join(token)
        try #require(joined.status == .code(0), "\(joined.errorText)")
        try #require(try invite.end().isGood, "\(invite.said)")
        try #require(try world.reachesWeb())
        return world
    }

    /// What a machine has of a kind of key, as text.
    private func files(_ lab: LabMesh, _ host: String, _ pattern: String) throws -> String {
        let state = "/var/lib/meshproof/\(lab.mesh)"
        let found = try lab.on(host, "sh", "-c", "cd \(state) && ls \(pattern)")
        return found.text.split(separator: "\n").joined(separator: " ")
    }

    private func publicKey(_ lab: LabMesh, _ host: String) throws -> String {
        try lab.on(host, "sh", "-c", "wg show all public-key | cut -f 2 | sort -u").text
    }

    @Test("it loses no packet, is waited for, and has nothing left of the others' old keys")
    func takesPart() throws {
        let world = try joined("trotmail")
        let lab = world.lab
        let (own, secrets) = (
            try publicKey(lab, "nas"), try files(lab, "nas", "psk/*.key")
        )
        let theirs = try publicKey(lab, "ant")
        let pings = try ["nas", "bee"].map { try PingWatch(lab, $0, "10.88.0.1") }
        Clocks.sleep(1)
        // The second one comes before it has fetched the first one's last mail: it goes from two old sets to two new ones.
        for _ in 0..<2 {
            let result = try Child.run(
                lab.command(["--lab", "rotate", "--json"] + RotationLab.patience), timeout: 600)
            let report = try lab.decode(RotateReport.self, result)
            #expect(report.outcome == .rotated, "\(report.error ?? "") \(result.errorText)")
            #expect(report.arrived == ["nas has taken the new keys"])
            print(
                "rotate with a joined node: \(report.seconds) s, "
                    + report.steps.map { "\($0.step.rawValue) \(Int($0.seconds * 1000)) ms" }
                    .joined(separator: ", "))
            #expect(try world.reachesWeb())
        }
        // Its last mail takes the old interface away.
        let isClean = try LabMesh.wait(150) {
            try files(lab, "nas", "keys/wg-* keys/mail-*") == "keys/mail-2.key keys/wg-2.key"
        }
        let left = try files(lab, "nas", "keys/wg-* keys/mail-*")
        #expect(isClean, "\(left)")
        for ping in pings {
            let seen = try ping.end()
            #expect(seen.missing == 0 && seen.answers > 50, "\(seen)")
        }
        for host in ["ant", "bee", "nas"] {
            let ports = try lab.on(host, "wg", "show", "all", "listen-port").text
            #expect(ports.contains("51820") && !ports.contains("51821"), "\(host): \(ports)")
        }
        #expect(try publicKey(lab, "nas") == own && publicKey(lab, "ant") != theirs)
        #expect(try files(lab, "nas", "psk/*.key") != secrets)
        #expect(try files(lab, "nas", "psk/*.key").split(separator: " ").count == 1)
        #expect(try world.reachesWeb())
        #expect(try lab.plan().status == .code(0))
        let keys = try lab.status().report.keys
        #expect(keys.wireguard == 2 && keys.nodesSince.keys.sorted() == ["nas"])
    }

    @Test(
        "one that is away takes the new keys when it is back, with no command run, whoever is killed meanwhile"
    )
    func isAway() throws {
        let world = try joined("trotaway")
        let lab = world.lab
        try lab.switchOff("nas")
        let rotation = try RotateProcess(lab)
        #expect(try rotation.saw(.rest), "\(rotation.text)")
        let isLeft = try LabMesh.wait(60) {
            let nas = try lab.status().report.nodes.first { $0.node == "nas" }
            return nas?.mail.contains { $0.kept.takenAt == nil } ?? false
        }
        #expect(isLeft)
        try rotation.kill()
        let status = try lab.meshproof("--lab", "status")
        #expect(status.text.contains("takes its new keys by itself"), "\(status.text)")

        try lab.switchOn("nas")
        let isBack = try LabMesh.wait(60) {
            try lab.on("nas", "wg", "show", "mp1-\(lab.mesh)", "latest-handshakes").text
                .split(separator: "\t").last.map { !$0.hasPrefix("0") } ?? false
        }
        #expect(isBack)
        #expect(try world.reachesWeb())
        let ended = try LabMesh.wait(60) {
            try lab.decode(UpReport.self, lab.meshproof("--lab", "up", "--json")).rotation?.outcome
                == .rotated
        }
        #expect(ended)
        #expect(try world.reachesWeb())
        #expect(try lab.status().report.rotation == nil && lab.plan().status == .code(0))
    }
}
