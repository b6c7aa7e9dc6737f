import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "A node that was away when a change was made hears of it from its peers", .serialized,
    .enabled(if: LabConditions.isRoot))
struct MailLabTests {
    @Test(
        "a removed phone that keeps sending is shut out by a node that was off, with no command run"
    )
    func removal() throws {
        let stand = try PhoneLab("tmail", nodes: ["ant", "bee", "cat"])
        let lab = stand.lab
        let conf = try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--conf").text
        try stand.connectPhone(conf)
        #expect(try stand.reaches("10.88.0.2:8080"))
        // Managed peers may ask for mail; a phone that is a peer may not.
        #expect(try lab.connects("ant", to: "10.88.0.2", port: 51820))
        #expect(try !lab.connects("pad", to: "10.88.0.2", port: 51820))

        let attack = try Background(
            lab, "pad", "sh", "-c", "while :; do ping -c 1 -W 1 10.88.0.2; sleep 0.05; done")
        #expect(try attack.saw("bytes from", within: 30))
        try lab.switchOff("bee")
        let rm = try lab.meshproof(
            "--lab", "peer", "rm", "phone", "--cascade", "--yes", "--timeout", "5")
        #expect(rm.status == .code(1), "\(rm.text)\(rm.errorText)")
        #expect(rm.text.contains("its change waits at ant, cat"), "\(rm.text)")
        #expect(rm.text.contains("no second up is needed"), "\(rm.text)")
        let waiting = try lab.status().report
        let bee = try #require(waiting.nodes.first { $0.node == "bee" })
        #expect(bee.report == nil && bee.mail.map(\.mailbox) == ["ant", "cat"])
        #expect(bee.mail.allSatisfy { $0.kept.takenAt == nil })
        let file = try lab.on(
            "ant", "stat", "-c", "%a", "/var/lib/meshproof/\(lab.mesh)/mail/bee.json")
        #expect(file.text == "600", "\(file.text)\(file.errorText)")

        let back = try lab.switchOn("bee")
        let isOut = try LabMesh.wait(60) {
            let peers = try lab.on("bee", "wg", "show", "mp0-\(lab.mesh)", "peers").text
            return peers.split(separator: "\n").count == 2
        }
        #expect(isOut)
        print(
            "bee shut the phone out \(((Clocks.monotonic() - back) * 10).rounded() / 10) s after its agent started"
        )
        let listening = try lab.on(
            "bee", "timeout", "3", "tcpdump", "-n", "-i", "mp0-\(lab.mesh)", "src", "10.88.0.4")
        #expect(listening.errorText.contains("\n0 packets captured"), "\(listening.errorText)")
        attack.end()
        #expect(try !stand.reaches("10.88.0.2:8080"))
        // Still nobody has logged in to it: its network for management is down as far as the controller goes.
        let told = try LabMesh.wait(30) {
            let log = try lab.on("bee", "cat", "/var/lib/meshproof/\(lab.mesh)/agent.log").text
            return log.contains("is confirmed: ")
        }
        #expect(told)
        try lab.cutFromController("bee")
        let fetched = try lab.meshproof("--lab", "status", "--timeout", "5")
        #expect(fetched.status == .code(1))
        #expect(fetched.text.contains("it fetched revision 3"), "\(fetched.text)")
        try lab.mendForController("bee")
        #expect(try lab.plan().report.hasChanges == false)
        #expect(try lab.up().nodes.allSatisfy { $0.state == .unchanged })
    }

    @Test("a node that was off when a peer was added gets the document, with its preshared key")
    func addition() throws {
        let lab = try LabMesh("tmailadd", hosts: ["ant", "bee", "cat", "dog"])
        let whole = try Files.read(lab.topologyPath)
        try lab.drop("dog")
        try lab.up()
        try lab.switchOff("bee")
        try Files.replace(lab.topologyPath, with: whole, mode: 0o644)
        let up = try lab.meshproof("--lab", "up", "--json", "--timeout", "5")
        #expect(up.status == .code(1))
        let report = try lab.decode(UpReport.self, up)
        #expect(report.nodes.map(\.state) == [.changed, .away, .changed, .changed], "\(up.text)")
        #expect(report.nodes[1].mailboxes == ["ant", "cat", "dog"])
        try lab.switchOn("bee")
        let works = try LabMesh.wait(60) {
            try lab.on("bee", "ping", "-c", "1", "-W", "2", "10.88.0.4").status.isSuccess
        }
        #expect(works)
        #expect(try lab.on("dog", "ping", "-c", "1", "-W", "5", "10.88.0.2").status.isSuccess)
        let keys = try ["bee", "dog"].map {
            try lab.on($0, "wg", "show", "mp0-\(lab.mesh)", "preshared-keys").text
        }
        #expect(!keys[0].contains("(none)") && !keys[1].contains("(none)"))
        #expect(keys[0].split(separator: "\n").count == 3)
        let isConfirmed = try LabMesh.wait(30) { try lab.plan().status == .code(0) }
        #expect(isConfirmed)
        #expect(try lab.up().nodes.allSatisfy { $0.state == .unchanged })
        // Nothing waits any more, as soon as every mailbox has been told.
        let isTaken = try LabMesh.wait(60) {
            try lab.status().report.nodes.flatMap { $0.report?.mail ?? [] }.allSatisfy {
                $0.takenAt != nil
            }
        }
        #expect(isTaken)
    }

    @Test("a rotation that goes on without a node leaves no mail that could let it in")
    func rotation() throws {
        let lab = try LabMesh("tmailrot", hosts: ["ant", "bee", "cat"])
        let whole = try Files.read(lab.topologyPath)
        try lab.drop("cat")
        try lab.up()
        try lab.switchOff("bee")
        try Files.replace(lab.topologyPath, with: whole, mode: 0o644)
        _ = try lab.meshproof("--lab", "up", "--timeout", "5")
        let mail = "/var/lib/meshproof/\(lab.mesh)/mail/bee.json"
        #expect(try lab.on("ant", "test", "-e", mail).status.isSuccess)
        #expect(try lab.on("cat", "test", "-e", mail).status.isSuccess)
        let rotate = try lab.meshproof(
            "--lab", "rotate", "--force-retire", "bee", "--yes", "--timeout", "5", timeout: 300)
        #expect(rotate.status == .code(0), "\(rotate.text)\(rotate.errorText)")
        for host in ["ant", "cat"] {
            #expect(try !lab.on(host, "test", "-e", mail).status.isSuccess, "\(host) keeps mail")
        }
        try lab.switchOn("bee")
        Clocks.sleep(15)
        #expect(try !lab.on("bee", "ping", "-c", "2", "-W", "2", "10.88.0.1").status.isSuccess)
        let log = try lab.on("bee", "cat", "/var/lib/meshproof/\(lab.mesh)/agent.log").text
        #expect(!log.contains("has come by"), "\(log)")
        // The controller alone lets it in again.
        #expect(try lab.up().isGood)
        #expect(try lab.on("bee", "ping", "-c", "1", "-W", "5", "10.88.0.1").status.isSuccess)
    }
}

extension LabMesh {
    /// What a power cut does: the agent, and all that it has made in the kernel, is gone; the machine is off the network.
    func switchOff(_ host: String) throws {
        let off = try on(
            host, "sh", "-ec",
            """
            kill -9 $(cat /run/meshproof/\(mesh)/agent.lock); ip link del mp0-\(mesh); ip link set eth0 down; \
            nft delete table inet meshproof-\(mesh)
            """)
        try #require(off.status.isSuccess, "\(off.errorText)")
    }

    /// What starting the machine does: its network comes up, and its init starts the agent.
    @discardableResult
    func switchOn(_ host: String) throws -> Double {
        let started = Clocks.monotonic()
        let on = try on(
            host, "sh", "-ec",
            """
            ip link set eth0 up; setsid /usr/local/lib/meshproof/meshproof node agent --mesh \(mesh) --detached \
            </dev/null >/dev/null 2>&1 &
            """)
        try #require(on.status.isSuccess, "\(on.errorText)")
        return started
    }

    /// The controller alone does not reach the host any more.
    func cutFromController(_ host: String) throws {
        _ = try on(
            host, "nft",
            "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; add rule inet cut in iifname eth0 tcp dport 22 drop"
        )
    }

    func mendForController(_ host: String) throws {
        _ = try on(host, "nft", "delete", "table", "inet", "cut")
    }

    func connects(_ host: String, to address: String, port: Int) throws -> Bool {
        try on(host, "bash", "-c", "timeout 3 bash -c '</dev/tcp/\(address)/\(port)'").status
            .isSuccess
    }
}
