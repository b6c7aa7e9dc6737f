import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "An edge by SSH is a tunnel from loopback to loopback", .serialized,
    .enabled(if: LabConditions.isRoot))
struct TunnelLabTests {
    static func tail(_ edge: String = "ssh") -> String {
        """
        services:
          sink: { on: bee, kind: tcp, port: 7000, bind: \(edge == "wireguard" ? "any" : "loopback") }
        paths:
          data:
            edges:
              - ant -> sink: \(edge)
        lab:
          services:
            sink:
              run: [/usr/bin/python3, \(Traffic.program), serve, 7000]
        """
    }

    @Test(
        "over the underlay or over the mesh: it is planned, stands after up, and is gone after down",
        arguments: ["ssh", "{ via: ssh, over: mesh, local_port: 17000 }"])
    func life(edge: String) throws {
        let lab = try LabMesh("ttun", hosts: ["ant", "bee"], tail: Self.tail(edge))
        let isMesh = edge.contains("mesh")
        let port = isMesh ? "17000" : "7000"
        let planned = try lab.plan().report.nodes.flatMap(\.steps).map(\.summary)
        #expect(planned.contains { $0.hasPrefix("open tunnel ant->sink: 127.0.0.1:\(port) to") })
        #expect(planned.contains { $0.hasPrefix("set tunnel server: port 51822, for ant") })

        let up = try lab.up()
        #expect(up.tunnels.map(\.state) == [.up])
        #expect(up.tunnels[0].problems.isEmpty)
        let knock = try Traffic.knock(lab, "ant", port: port, count: 20)
        #expect(knock == 20)
        #expect(try Traffic.knock(lab, "ant", port: port, host: "::1", count: 5) == 5)

        let status = try lab.status()
        #expect(status.status == .code(0))
        let tunnel = try #require(status.report.tunnels.first)
        let observed = try #require(tunnel.observed)
        #expect(observed.accepted >= 25 && observed.sent > 0 && observed.received > 0)
        #expect(observed.algorithms?.keyExchange.contains("25519") == true)
        let listeners = try lab.on("bee", "ss", "-Hltn").text
        #expect(listeners.contains("127.0.0.1:7000"))
        #expect(!listeners.contains("0.0.0.0:7000") && !listeners.contains("*:7000"))
        let hasWildcard =
            listeners.contains("0.0.0.0:51822") || listeners.contains("*:51822")
        #expect(hasWildcard == !isMesh)
        let own = try lab.on("ant", "ss", "-Hltn").text
        #expect(own.contains("127.0.0.1:\(port)") && !own.contains("0.0.0.0:\(port)"))

        let ls = try lab.meshproof("--lab", "tunnel", "ls")
        #expect(ls.status == .code(0), "\(ls.errorText)")
        #expect(ls.text.contains("ant->sink") && ls.text.contains("1 of 1 tunnel up"))
        let again = try lab.up()
        #expect(again.stepCount == 0 && again.tunnels.map(\.state) == [.up])

        // An edge that is no more takes its tunnel and its server along.
        try lab.write(tail: Self.tail("wireguard"))
        let less = try lab.up().nodes.flatMap(\.steps).map(\.summary)
        #expect(less.contains("close tunnel ant->sink"))
        #expect(less.contains("remove the tunnel server"))
        #expect(try lab.on("bee", "ss", "-Hltn").text.contains(":51822") == false)
        try expectNothingLeft(lab)
        try lab.write(tail: Self.tail(edge))
        try lab.up()
        let down = try lab.meshproof("--lab", "down", "--yes", "--json")
        #expect(down.status == .code(0), "\(down.text) \(down.errorText)")
        try expectNothingLeft(lab)
    }

    /// No process, user, mount, key or file of a tunnel server on `bee`, and no listener on either host.
    private func expectNothingLeft(_ lab: LabMesh) throws {
        let ps = try lab.on("bee", "ps", "-eo", "args").text
        #expect(!ps.contains("meshproof-tunnels"), "\(ps)")
        #expect(try !lab.on("bee", "id", "mp-\(lab.mesh)").status.isSuccess)
        let mounts = try lab.on("bee", "cat", "/proc/self/mounts").text
        #expect(!mounts.contains("meshproof-tunnels"))
        #expect(try lab.on("bee", "ls", "/run/meshproof-tunnels").text.isEmpty)
        #expect(try !lab.on("ant", "ss", "-Hltn").text.contains("127.0.0.1:7000"))
    }

    @Test("and where it cannot stand, up and status say why and what to do")
    func findings() throws {
        let lab = try LabMesh("ttfind", hosts: ["ant", "bee"], tail: Self.tail())
        // Somebody else has the entrance's port.
        let squatter = try Background(
            lab, "ant", "/usr/bin/python3", Traffic.program, "serve", "7000")
        #expect(
            try LabMesh.wait(20) {
                try lab.on("ant", "ss", "-Hltn").text.contains("127.0.0.1:7000")
            })
        let blocked = try lab.meshproof("--lab", "up", "--json")
        #expect(blocked.status == .code(1))
        let report = try lab.decode(UpReport.self, blocked)
        // The mesh itself stands all the same.
        #expect(report.nodes.allSatisfy { $0.state == .changed })
        #expect(report.tunnels.map(\.state) == [.blocked])
        let problem = try #require(report.tunnels[0].problems.first)
        #expect(problem.code == .entranceTaken)
        #expect(problem.message.contains("7000"), "\(problem.message)")
        #expect(problem.message.contains("python"), "\(problem.message)")
        squatter.end()
        #expect(try LabMesh.wait(30) { try lab.status().report.tunnels.first?.state == .up })

        // The service is gone, until the lab starts it again: the tunnel stands, and says what it met.
        #expect(
            try LabMesh.wait(30) {
                _ = try lab.on("bee", "pkill", "-9", "-f", "traffic.py serve")
                _ = try Traffic.knock(lab, "ant", port: "7000", count: 1)
                let tunnel = try lab.status().report.tunnels.first
                return tunnel?.state == .up && tunnel?.observed?.lastError?.code == .targetRefused
            })

        // Somebody else's sshd in the server's place: refused, with both fingerprints, and told at its own end too.
        let server = try #require(try Self.server(lab)?.process)
        let impostor = try lab.on(
            "bee", "sh", "-c",
            "set -e; cd /run; ssh-keygen -q -t ed25519 -N '' -f impostor; kill \(server);"
                + " while ss -Hltn | grep -q :51822; do sleep 0.1; done; pkill -u mp-ttfind || true;"
                + " /usr/sbin/sshd -f /dev/null -h /run/impostor -p 51822 -o PidFile=/run/impostor.pid"
        )
        #expect(impostor.status.isSuccess, "\(impostor.errorText)")
        #expect(
            try LabMesh.wait(40) {
                let codes = try lab.status().report.tunnels.first?.problems.map(\.code) ?? []
                return codes.contains(.hostKey) && codes.contains(.serverPortTaken)
            })
        let change = try lab.status().report.tunnels.first?.problems.first { $0.code == .hostKey }
        let message = try #require(change?.message)
        #expect(message.split(separator: "SHA256:").count == 3, "\(message)")
        #expect(try lab.status().status == .code(2))
        #expect(
            try lab.on("bee", "sh", "-c", "kill $(cat /run/impostor.pid)").status.isSuccess)
        #expect(try LabMesh.wait(60) { try lab.status().status == .code(0) })

        // A host key that is another on the node's own disk is not run with; the next up makes it known.
        let second = try #require(try Self.server(lab)?.process)
        let changed = try lab.on(
            "bee", "sh", "-c",
            "set -e; cd /var/lib/meshproof/ttfind/keys; rm ssh-host-0.key;"
                + " ssh-keygen -q -t ed25519 -N '' -f ssh-host-0.key; rm ssh-host-0.key.pub;"
                + " kill \(second); pkill -u mp-ttfind || true")
        #expect(changed.status.isSuccess, "\(changed.errorText)")
        #expect(
            try LabMesh.wait(40) {
                try lab.status().report.tunnels.first?.problems.contains {
                    $0.code == .serverFailed
                } == true
            })
        // The next up takes the node's new key for its own, on both ends.
        #expect(try lab.up().tunnels.map(\.state) == [.up])
    }

    private static func server(_ lab: LabMesh) throws -> ObservedTunnelServer? {
        try lab.status().report.nodes.first { $0.node == "bee" }?.report?.observed.tunnelServer
    }

    @Test("and what is done to its server by hand is mended: killed, or its grants edited")
    func drift() throws {
        let lab = try LabMesh("ttdrift", hosts: ["ant", "bee"], tail: Self.tail())
        try lab.up()
        let pid = try #require(try Self.server(lab)?.process)
        try #require(try lab.on("bee", "kill", "-9", "\(pid)").status.isSuccess)
        #expect(
            try LabMesh.wait(30) {
                let now = try Self.server(lab)?.process
                return now != nil && now != pid
            })
        let listing = try lab.on(
            "bee", "find", "/run/meshproof-tunnels", "-name", "*authorized*", "-type", "f"
        ).text
        let file = try #require(listing.split(separator: "\n").first.map(String.init))
        try #require(try lab.on("bee", "sh", "-c", "echo '# mine' >> \(file)").status.isSuccess)
        let (plan, code) = try lab.plan()
        #expect(code == .code(2))
        #expect(
            plan.nodes.flatMap(\.steps).map(\.summary).allSatisfy {
                $0.hasPrefix("set tunnel server")
            })
        #expect(try LabMesh.wait(40) { try lab.plan().status == .code(0) })
        #expect(try !lab.on("bee", "cat", file).text.contains("# mine"))
        #expect(try Traffic.knock(lab, "ant", port: "7000", count: 3) == 3)
    }
}
