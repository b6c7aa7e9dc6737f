import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "A mesh comes up from its topology over real SSH and real WireGuard", .serialized,
    .enabled(if: LabConditions.isRoot))
struct BootstrapTests {
    @Test("up makes a mesh that carries traffic, agrees with wg, and a second up changes nothing")
    func upAndAgain() throws {
        let lab = try LabMesh("tboot", hosts: ["ant", "bee", "cat"], installed: false)
        let first = try lab.up()
        #expect(first.nodes.map(\.state) == [.changed, .changed, .changed])
        #expect(first.handshakes == 3)
        #expect(first.peerings == 3)
        for target in ["10.88.0.2", "10.88.0.3", "fd88::2"] {
            let ping = try lab.on("ant", "ping", "-c", "3", "-i", "0.2", "-W", "5", target)
            #expect(ping.status.isSuccess, "ping \(target): \(ping.text)")
        }

        try expectAgreementWithWg(lab)

        let second = try lab.up()
        #expect(second.nodes.map(\.state) == [.unchanged, .unchanged, .unchanged])
        #expect(second.stepCount == 0)
        let (plan, code) = try lab.plan()
        #expect(code == .code(0))
        #expect(!plan.hasChanges)
        #expect(try lab.status().status == .code(0))
    }

    /// `wg show` on each host against `status --json`: every key, endpoint, allowed IP and preshared key's presence.
    private func expectAgreementWithWg(_ lab: LabMesh) throws {
        let status = try lab.status().report
        for host in lab.hosts {
            let dump = try lab.on(host.name, "wg", "show", "mp0-\(lab.mesh)", "dump").text
            let lines = dump.split(separator: "\n").map {
                $0.split(separator: "\t").map(String.init)
            }
            let observed = try #require(
                status.nodes.first { $0.node == host.name }?.report?.observed)
            let device = try #require(observed.interfaces.first?.device)
            let head = try #require(lines.first)
            #expect(head[1] == device.publicKey?.description)
            #expect(head[2] == "\(device.listenPort)")
            #expect(lines.count - 1 == device.peers.count)
            for line in lines.dropFirst() {
                let peer = try #require(device.peers.first { $0.publicKey.description == line[0] })
                #expect((line[1] != "(none)") == (peer.presharedKey != nil))
                #expect(peer.presharedKey != nil, "every pair has a preshared key")
                #expect(line[2] == peer.endpoint?.description ?? "(none)")
                #expect(
                    Set(line[3].split(separator: ",").map(String.init))
                        == Set(peer.allowedIPs.map(\.description)))
            }
        }
    }

    @Test("down removes everything from every host, and up brings the old addresses back")
    func downAndUp() throws {
        let lab = try LabMesh("tdown", hosts: ["ant", "bee"])
        try lab.up()
        let down = try lab.meshproof("--lab", "down", "--yes", "--json")
        #expect(down.status == .code(0), "\(down.text) \(down.errorText)")
        let report = try lab.decode(DownReport.self, down)
        #expect(report.isClean)
        for host in lab.hosts {
            let links = try lab.on(host.name, "ip", "-o", "link").text
            #expect(!links.contains("mp0-"))
            let routes = try lab.on(
                host.name, "sh", "-c", "ip route show table all; ip -6 route show table all"
            ).text
            #expect(
                !routes.contains("proto 109") && !routes.contains("10.88.0.")
                    && !routes.contains("fd88::"))
            let files = try lab.on(
                host.name, "sh", "-c",
                "ls -d /var/lib/meshproof /run/meshproof /usr/local/lib/meshproof 2>/dev/null; true"
            ).text
            #expect(files == "", "left: \(files)")
            let processes = try lab.on(host.name, "ps", "-eo", "args").text
            #expect(!processes.contains("node agent") && !processes.contains("wireguard-go"))
        }
        let again = try lab.up()
        #expect(again.handshakes == 1)
        let ping = try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2")
        #expect(ping.status.isSuccess)
    }

    @Test("a node that leaves the topology is dropped by its peers, named, and taken out by name")
    func formerNode() throws {
        let lab = try LabMesh("tleave", hosts: ["ant", "bee", "cat"])
        try lab.up()
        try lab.drop("cat")
        let up = try lab.up()
        #expect(up.former.map(\.node) == ["cat"])
        #expect(up.peerings == 1)
        let peers = try lab.on("ant", "wg", "show", "mp0-tleave", "peers").text
        #expect(peers.split(separator: "\n").count == 1)
        let status = try lab.status().report
        #expect(status.former.map(\.node) == ["cat"])

        // Without its agent, and with another controller's key pinned, nothing may be removed there.
        let identity = "/var/lib/meshproof/tleave/identity.json"
        let agent = "/run/meshproof/tleave/agent.lock"
        let stopped = try lab.on(
            "cat", "sh", "-c",
            "kill -9 $(cat \(agent)) && cp -p \(identity) /root/identity.json && "
                + "sed -i 's/\"controllerKey\"[^,]*\"[^\"]*\"/\"controllerKey\":\"\(Self.foreignKey)\"/' "
                + "\(identity) && grep -q \(Self.foreignKey) \(identity)")
        #expect(stopped.status.isSuccess, "\(stopped.errorText)")
        let refused = try lab.meshproof("--lab", "down", "--node", "cat", "--yes", "--json")
        #expect(refused.status == .code(1))
        let error = try lab.decode(DownReport.self, refused).nodes[0].error
        #expect(error?.contains("another controller") == true, "\(error ?? refused.errorText)")
        #expect(try lab.on("cat", "ip", "link", "show", "mp0-tleave").status.isSuccess)

        // With its own, the program does what the agent would have done.
        _ = try lab.on("cat", "mv", "/root/identity.json", identity)
        let down = try lab.meshproof("--lab", "down", "--node", "cat", "--yes", "--json")
        #expect(down.status == .code(0), "\(down.text) \(down.errorText)")
        #expect(try lab.decode(DownReport.self, down).nodes.map(\.node) == ["cat"])
        #expect(try !lab.on("cat", "ip", "link", "show", "mp0-tleave").status.isSuccess)
        #expect(try !lab.on("cat", "test", "-e", "/var/lib/meshproof").status.isSuccess)
        #expect(try lab.plan().report.former.isEmpty)
        #expect(try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2").status.isSuccess)
    }

    /// A key that no controller has.
    private static let foreignKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

    @Test("a node that is dead is named, the others come up, and running up again finishes the job")
    func deadNode() throws {
        let lab = try LabMesh("tdead", hosts: ["ant", "bee", "cat"])
        _ = try lab.on("cat", "sh", "-c", "ip link set eth0 down")
        let result = try lab.meshproof("--lab", "up", "--json", "--timeout", "5")
        #expect(result.status == .code(1))
        let report = try lab.decode(UpReport.self, result)
        #expect(report.nodes.map(\.state) == [.changed, .changed, .failed])
        #expect(report.nodes[2].error?.isEmpty == false)
        let ping = try lab.on("ant", "ping", "-c", "1", "-W", "5", "10.88.0.2")
        #expect(ping.status.isSuccess)
        _ = try lab.on("cat", "sh", "-c", "ip link set eth0 up")
        let again = try lab.up()
        #expect(again.nodes.allSatisfy { $0.state == .changed })
        #expect(again.handshakes == 3)
    }

    @Test("adding a node interrupts nobody: a 5 ms ping between two others loses nothing")
    func addingInterruptsNobody() throws {
        let lab = try LabMesh("tadd", hosts: ["ant", "bee"])
        try lab.up()
        _ = try lab.on("ant", "ping", "-c", "2", "-i", "0.2", "10.88.0.2")
        try lab.write(adding: ["cat"])
        #expect(try lab.meshproof("lab", "up").status.isSuccess)
        let out = "\(lab.folder)/ping.txt"
        let pinger = try Child(
            [
                "/bin/sh", "-c",
                "exec \(LabMesh.program) lab exec -t \(lab.topologyPath) ant -- ping -i 0.005 -c 3000 -W 30 -q 10.88.0.2 > \(out)",
            ])
        Clocks.sleep(1)
        let report = try lab.up()
        #expect(report.nodes.map(\.state) == [.changed, .changed, .changed])
        _ = try pinger.wait(milliseconds: 120_000)
        let text = String(decoding: try Files.read(out), as: UTF8.self)
        #expect(text.contains(" 0% packet loss"), "\(text)")
        let sent = text.split(separator: "\n").first { $0.contains("packets transmitted") }?.split(
            separator: " "
        ).first
        #expect((sent.flatMap { Int($0) } ?? 0) >= 500, "the ping really ran: \(text)")
    }

    @Test("an unknown and a changed host key are refused, and the error says what to do")
    func hostKeys() throws {
        let lab = try LabMesh("tkeys", hosts: ["ant", "bee"])
        let knownHosts = "/run/meshproof-lab/\(lab.mesh)/ssh/known_hosts"
        let good = try Files.read(knownHosts)
        try Files.replace(knownHosts, with: [])
        let unknown = try lab.meshproof("--lab", "up", "--timeout", "10")
        #expect(unknown.status == .code(1))
        #expect(unknown.text.contains("SHA256:"), "\(unknown.text)\(unknown.errorText)")

        // Each host's key under the other's address is a changed key.
        var text = String(decoding: good, as: UTF8.self)
        text = text.replacing("198.51.100.11", with: "x").replacing(
            "198.51.100.12", with: "198.51.100.11"
        )
        .replacing("x", with: "198.51.100.12")
        try Files.replace(knownHosts, with: text.utf8)
        let changed = try lab.meshproof("--lab", "up", "--timeout", "10")
        #expect(changed.status == .code(1))
        #expect(changed.text.contains("SHA256:"))
        try Files.replace(knownHosts, with: good)
        try lab.up()
    }
}
