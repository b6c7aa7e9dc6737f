import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "Peers come and go on a running mesh", .serialized, .enabled(if: LabConditions.isRoot))
struct PeerLabTests {
    @Test(
        "a phone that has only its configuration reaches the service of its edge, and nothing else")
    func phone() throws {
        let stand = try PhoneLab("tphone", nodes: ["ant", "bee"])
        let lab = stand.lab
        let picture = "\(lab.folder)/phone.png"
        try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--keep", "--png", picture)
        let shown = try lab.meshproof("--lab", "peer", "show", "phone", "--conf")
        #expect(shown.status.isSuccess, "\(shown.errorText)")
        let decoded = try Child.run(
            ["/usr/bin/zbarimg", "--quiet", "--raw", "--oneshot", picture], timeout: 120)
        #expect(decoded.output == shown.output)
        #expect(Files.mode(picture) == 0o600)

        try stand.connectPhone(shown.text)
        #expect(try stand.reaches("10.88.0.2:8080"))
        #expect(try stand.reaches("[fd88::2]:8080"))
        // Another service of the same node, its SSH, a node without an edge: no way.
        #expect(try !stand.reaches("10.88.0.2:8090"))
        #expect(try !stand.connects("10.88.0.2", port: 22))
        #expect(try !stand.connects("10.88.0.1", port: 22))
        #expect(try !lab.on("pad", "ping", "-c", "1", "-W", "2", "10.88.0.1").status.isSuccess)
        // It moves to another network, as phones do; bee follows, and goes on where it was.
        let moved = try lab.on(
            "pad", "sh", "-ec",
            "ip addr del 198.51.100.13/24 dev eth0; ip addr add 198.51.100.77/24 dev eth0")
        #expect(moved.status.isSuccess, "\(moved.errorText)")
        let isThere = try LabMesh.wait(40) { try stand.reaches("10.88.0.2:8080") }
        #expect(isThere)
        let endpoints = try lab.on("bee", "wg", "show", "mp0-\(lab.mesh)", "endpoints").text
        #expect(endpoints.contains("198.51.100.77:"), "\(endpoints)")
        // The node that it has no edge to was not even told of it.
        let status = try lab.status().report
        #expect(status.nodes.map { $0.report?.hello.revision } == [1, 2])
    }

    @Test("behind a hub a phone reaches the service of its edge through it, and nothing else")
    func hub() throws {
        let stand = try PhoneLab("tphub", nodes: ["ant", "bee"], peering: "{ hub: ant }")
        let lab = stand.lab
        _ = try lab.on("ant", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        let conf = try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--conf").text
        #expect(conf.contains("AllowedIPs = 10.88.0.1/32, fd88::1/128, 10.88.0.2/32, fd88::2/128"))
        #expect(conf.split(separator: "\n").filter { $0 == "[Peer]" }.count == 1)
        try stand.connectPhone(conf)
        #expect(try stand.reaches("10.88.0.2:8080"))
        #expect(try !stand.reaches("10.88.0.2:8090"))
        #expect(try !stand.connects("10.88.0.1", port: 22))
        #expect(try !stand.connects("10.88.0.2", port: 22))
    }

    @Test("nodes call each other by name; names go with `names: off` and with down")
    func names() throws {
        let stand = try PhoneLab("tnames", nodes: ["ant", "bee"])
        let lab = stand.lab
        let before = try lab.on("ant", "cat", "/etc/hosts").text.split(separator: "#").first
        let page = try lab.on("ant", "curl", "-sS", "http://web.tnames:8080/")
        #expect(page.text.contains("\"service\":\"web\""), "\(page.text)\(page.errorText)")
        try stand.peer("add", "phone", "--unmanaged", "--to", "web")
        #expect(try lab.on("bee", "getent", "hosts", "phone.tnames").text.contains("::3"))
        #expect(try !lab.on("ant", "getent", "hosts", "phone.tnames").status.isSuccess)
        // Somebody takes the lines out (in place: the lab mounts the file); the agent puts them back.
        let cut = try lab.on(
            "ant", "sh", "-c", "grep -v bee.tnames /etc/hosts >/root/h; cat /root/h >/etc/hosts")
        #expect(cut.status.isSuccess)
        // On the other host it is no mount, and is replaced in one step.
        let freed = try lab.on("bee", "sh", "-c", "umount /etc/hosts && sed -n 1,5p /etc/hosts")
        #expect(freed.status.isSuccess && !freed.text.contains("tnames"), "\(freed.text)")
        let isMended = try LabMesh.wait(60) {
            try lab.on("ant", "getent", "hosts", "bee.tnames").status.isSuccess
                && lab.on("bee", "getent", "hosts", "phone.tnames").status.isSuccess
        }
        #expect(isMended)
        #expect(try lab.meshproof("--lab", "down", "--yes").status == .code(0))
        #expect(try lab.on("ant", "cat", "/etc/hosts").text.hasPrefix(String(before ?? "?")))
        for host in ["ant", "bee"] {
            let text = try lab.on(host, "cat", "/etc/hosts").text
            #expect(!text.contains("tnames"), "\(text)")
        }
    }

    @Test("a removed phone that keeps sending with its old key is shut out")
    func removedPhone() throws {
        let stand = try PhoneLab("trmphone", nodes: ["ant", "bee"])
        let lab = stand.lab
        let before = try Files.read(lab.topologyPath)
        let conf = try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--conf").text
        try stand.connectPhone(conf)
        #expect(try stand.reaches("10.88.0.2:8080"))
        let refused = try lab.meshproof("--lab", "peer", "rm", "phone", "--yes")
        #expect(refused.status == .code(64))
        #expect(refused.errorText.contains("phone -> web"), "\(refused.errorText)")

        let attack = try Background(
            lab, "pad", "stdbuf", "-oL", "ping", "-i", "0.02", "10.88.0.2")
        #expect(try attack.saw("bytes from", within: 30))
        try stand.peer("rm", "phone", "--cascade", "--yes")
        let peers = try lab.on("bee", "wg", "show", "mp0-\(lab.mesh)", "peers").text
        #expect(peers.split(separator: "\n").count == 1)
        let listening = try lab.on(
            "bee", "timeout", "3", "tcpdump", "-n", "-i", "mp0-\(lab.mesh)", "src", "10.88.0.3")
        #expect(listening.errorText.contains("\n0 packets captured"), "\(listening.errorText)")
        attack.end()
        #expect(try !stand.reaches("10.88.0.2:8080"))
        #expect(try Files.read(lab.topologyPath) == before, "the file is what it was")
        // Its address is not handed out again.
        let other = try stand.peer("add", "pad2", "--unmanaged", "--to", "web").text
        #expect(other.contains("Address = 10.88.0.4/32, fd88::4/128"), "\(other)")
    }

    @Test(
        "a machine that is added becomes a node like the others, and is a plain machine again after"
    )
    func managed() throws {
        let stand = try PhoneLab("tnode", nodes: ["ant", "bee"])
        let lab = stand.lab
        let before = try Files.read(lab.topologyPath)
        let tried = try stand.peer(
            "add", "pad", "--connect", "ssh://root@198.51.100.13", "--endpoint", "198.51.100.13",
            "--to", "web", "--dry-run")
        #expect(tried.text.contains("pad"), "\(tried.text)")
        #expect(try Files.read(lab.topologyPath) == before)
        try stand.peer(
            "add", "pad", "--connect", "ssh://root@198.51.100.13", "--endpoint", "198.51.100.13",
            "--to", "web")
        #expect(try stand.reaches("10.88.0.2:8080"))
        #expect(try !stand.reaches("10.88.0.2:8090"))
        #expect(try lab.plan().status == .code(0))
        let psk = try lab.on("pad", "wg", "show", "mp0-\(lab.mesh)", "preshared-keys").text
        #expect(!psk.isEmpty && !psk.contains("(none)"))
        let revisions = try lab.status().report.nodes.map { $0.report?.hello.revision }
        #expect(revisions == [1, 2, 1], "ant is no peer of it, and was not told")

        try stand.peer("rm", "pad", "--cascade", "--yes")
        #expect(try Files.read(lab.topologyPath) == before, "the file is what it was")
        let left = try lab.on(
            "pad", "sh", "-c",
            "ls /var/lib/meshproof 2>/dev/null; ip -o link | grep -F mp0; pgrep -af '[n]ode agent'; "
                + "grep -F tnode /etc/hosts; nft list tables")
        #expect(left.text == "", "\(left.text)")
        #expect(try lab.plan().status == .code(0))
    }

    @Test(
        "a node that is switched off is removed, finds nobody when it comes back, and is then cleaned"
    )
    func switchedOff() throws {
        let lab = try LabMesh("toff", hosts: ["ant", "bee", "cat"])
        try lab.up()
        #expect(try lab.on("cat", "ping", "-c", "1", "-W", "5", "10.88.0.1").status.isSuccess)
        try lab.keepHosts()
        #expect(try lab.on("cat", "ip", "link", "set", "eth0", "down").status.isSuccess)
        let rm = try lab.meshproof(
            "--lab", "peer", "rm", "cat", "--yes", "--timeout", "5", "--json")
        #expect(rm.status == .code(0), "\(rm.text)\(rm.errorText)")
        #expect(
            rm.text.contains("\"notConverged\" : [\n\n    ]")
                || rm.text.contains("\"notConverged\" : []"))
        #expect(try lab.on("cat", "ip", "link", "set", "eth0", "up").status.isSuccess)
        #expect(try !lab.on("cat", "ping", "-c", "3", "-W", "2", "10.88.0.1").status.isSuccess)
        #expect(try !lab.on("cat", "ping", "-c", "3", "-W", "2", "10.88.0.2").status.isSuccess)
        let down = try lab.meshproof("--lab", "down", "--node", "cat", "--yes")
        #expect(down.status == .code(0), "\(down.text)\(down.errorText)")
    }

    @Test("a peer that is away is named, and told as soon as it is back")
    func awayAndBack() throws {
        let stand = try PhoneLab("taway", nodes: ["ant", "bee"])
        let lab = stand.lab
        try stand.peer("add", "phone", "--unmanaged", "--to", "web")
        _ = try lab.on("bee", "ip", "link", "set", "eth0", "down")
        let waiting = try Child(
            [
                "/bin/sh", "-c",
                "exec \(LabMesh.program) --lab peer rm phone --cascade --yes --timeout 5 --wait 120 "
                    + "-t \(lab.topologyPath) >\(lab.folder)/rm.txt 2>\(lab.folder)/rm.err",
            ])
        let isAway = try LabMesh.wait(60) {
            String(decoding: try Files.readIfPresent("\(lab.folder)/rm.err") ?? [], as: UTF8.self)
                .contains("waiting for bee")
        }
        #expect(isAway)
        _ = try lab.on("bee", "ip", "link", "set", "eth0", "up")
        #expect(try waiting.wait(milliseconds: 150_000) == .code(0))
        #expect(try lab.plan().report.hasChanges == false)
    }

    @Test("adding a peer to ten nodes interrupts nobody, and contacts only those it concerns")
    func interruptsNobody() throws {
        let names = (0..<(LabConditions.isUnderEmulation ? 4 : 10)).map { "node\($0)" }
        let stand = try PhoneLab("tadd10", nodes: names)
        let lab = stand.lab
        _ = try lab.on("node0", "ping", "-c", "2", "-i", "0.2", "10.88.0.2")
        func handshakes(_ node: String) throws -> String {
            try lab.on(node, "wg", "show", "mp0-\(lab.mesh)", "latest-handshakes").text
        }
        let before = try names.map(handshakes)
        let out = "\(lab.folder)/ping.txt"
        let pinger = try Child(
            [
                "/bin/sh", "-c",
                "exec \(LabMesh.program) lab exec -t \(lab.topologyPath) node0 -- "
                    + "ping -i 0.005 -c 1500 -W 30 -q 10.88.0.2 > \(out)",
            ])
        Clocks.sleep(1)
        let started = Clocks.monotonic()
        let conf = try stand.peer("add", "phone", "--unmanaged", "--to", "web", "--conf").text
        let told = Clocks.monotonic()
        try stand.connectPhone(conf)
        let shaken = try LabMesh.wait(20) {
            let text = try lab.on("pad", "wg", "show", "phone", "latest-handshakes").text
            return !text.isEmpty && !text.hasSuffix("\t0")
        }
        #expect(shaken)
        print(
            "peer add to \(names.count) nodes: command \(Self.tenths(told - started)) s, "
                + "first handshake after \(Self.tenths(Clocks.monotonic() - started)) s")
        _ = try pinger.wait(milliseconds: 120_000)
        let text = String(decoding: try Files.read(out), as: UTF8.self)
        #expect(text.contains(" 0% packet loss"), "\(text)")
        #expect(text.contains("1500 packets transmitted"), "the ping really ran: \(text)")
        let after = try names.map(handshakes)
        for (node, (old, new)) in zip(names, zip(before, after)) {
            let kept = old.split(separator: "\n").allSatisfy { new.contains($0) }
            #expect(kept, "\(node) has shaken hands anew: \(old) \(new)")
        }
        let revisions = try lab.status().report.nodes.map { $0.report?.hello.revision }
        #expect(revisions.filter { $0 == 2 }.count == 1)
    }

    private static func tenths(_ seconds: Double) -> Double { (seconds * 10).rounded() / 10 }
}
