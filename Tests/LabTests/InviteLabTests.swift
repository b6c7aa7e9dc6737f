import Glibc
import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

@Suite(
    "A machine that nobody can log in to joins by a token", .serialized,
    .enabled(if: LabConditions.isRoot))
struct InviteLabTests {
    @Test("it dials the controller, is brought up, and its edge works; the token is good once")
    func listen() throws {
        let lab = try InviteLab("tinvite")
        let invite = try lab.invite("--listen", "198.51.100.254:7443", "--to", "web")
        let token = try #require(try invite.token())
        #expect(token.hasPrefix("mpj1-") && token.count < 300)
        // Strangers come first, and stay: the true node gets in all the same.
        let crowd = try Background(
            lab.lab, "nas", "python3", "-c",
            """
            import socket, time
            crowd = []
            for n in range(200):
                s = socket.create_connection(("198.51.100.254", 7443), 5)
                s.send([b"GET / HTTP/1.1\\r\\n\\r\\n", b"\\x16\\x03\\x01\\x02", b"", bytes(3000)][n % 4])
                crowd.append(s)
            print("there", flush=True)
            time.sleep(120)
            """)
        #expect(try crowd.saw("there", within: 30))
        let wrong = try lab.join(String(token.dropLast()) + (token.hasSuffix("A") ? "B" : "A"))
        #expect(wrong.status == .code(64) && wrong.errorText.contains("character"))

        let joined = try lab.join(token)
        #expect(joined.status == .code(0), "\(joined.errorText)")
        #expect(joined.text.contains("This machine is nas of mesh tinvite, at 10.88.0.4"))
        #expect(joined.text.contains("web.tinvite:8080"), "\(joined.text)")
        #expect(!joined.text.contains(token) && !joined.errorText.contains(token))
        crowd.end()
        let end = try invite.end()
        #expect(end.isGood, "\(invite.said)")
        #expect(end.handshakes == 1 && end.peerings == 1)
        #expect(Set(end.nodes.map(\.node)) == ["ant", "nas"])
        #expect(try lab.reachesWeb())

        let again = try lab.join(token)
        #expect(again.status == .code(1), "\(again.text)")
        #expect(again.errorText.contains("Nothing was changed on this machine"))
        try lab.statusIsHonest()
        try lab.secretIsNowhere(token)
        try lab.laterChangesArrive()
    }

    @Test("through a relay on a node that both reach, which ends with the invite and has no rights")
    func through() throws {
        let lab = try InviteLab("tinvrelay")
        try lab.cutOffController()
        let invite = try lab.invite("--through", "bee:7443", "--to", "web")
        let token = try #require(try invite.token())
        let owner = try lab.lab.on(
            "bee", "sh", "-c", "ps -eo user=,args= | grep '[n]ode relay' | grep -v 'sh -c'")
        #expect(owner.text.hasPrefix("nobody"), "\(owner.text)")
        let joined = try lab.join(token)
        #expect(joined.status == .code(0), "\(joined.errorText)")
        #expect(try invite.end().isGood, "\(invite.said)")
        #expect(try lab.reachesWeb())
        let isGone = try LabMesh.wait(10) {
            try !lab.lab.on("bee", "sh", "-c", "ps -eo args= | grep '[n]ode relay'").status
                .isSuccess
        }
        #expect(isGone)
        #expect(try lab.join(token).status == .code(1))
        try lab.statusIsHonest()
    }

    @Test("a controller that is killed in the middle leaves a node that the next invite brings on")
    func killed() throws {
        let lab = try InviteLab("tinvkill")
        let first = try lab.invite("--listen", "198.51.100.254:7443", "--to", "web")
        let token = try #require(try first.token())
        let joining = try Background(
            lab.lab, "nas", "sh", "-c", "\(LabMesh.absoluteProgram) join \(token) 2>&1; echo rc $?")
        // Enrolled, and then the controller is gone.
        let isEnrolled = try LabMesh.wait(60) {
            try lab.lab.on("nas", "test", "-e", "/var/lib/meshproof/tinvkill/identity.json").status
                .isSuccess
        }
        #expect(isEnrolled)
        first.kill()
        #expect(try joining.saw("rc ", within: 120), "\(joining.text)")
        if joining.text.contains("rc 1") {
            #expect(joining.text.contains("peer invite nas"), "\(joining.text)")
        }
        #expect(try lab.join(token).status == .code(1), "the old token died with its command")
        let second = try lab.invite("--listen", "198.51.100.254:7443")
        let fresh = try #require(try second.token())
        #expect(fresh != token)
        let joined = try lab.join(fresh)
        #expect(joined.status == .code(0), "\(joined.errorText)")
        #expect(try second.end().isGood, "\(second.said)")
        #expect(try lab.reachesWeb())
        try lab.leavesAndJoinsAnew()
    }
}

/// Three nodes that the controller logs in to, and a fourth machine that it cannot.
final class InviteLab {
    let lab: LabMesh
    private static let tail = """
        services:
          web: { on: ant, kind: http, port: 8080 }
        paths:
          site:
            edges:
              - bee -> web: wireguard
        """

    init(_ mesh: String) throws {
        lab = try LabMesh(
            mesh, hosts: ["ant", "bee", "cat", "nas"], tail: Self.tail, peering: "paths")
        try lab.drop("nas", tail: Self.tail, peering: "paths")
        try rule("tcp dport 22 drop")
        try lab.up()
        let ssh = try Child.run(
            [
                LabMesh.program, "lab", "exec", "-t", lab.hostsPath, "lan", "--", "timeout", "2",
                "bash", "-c", "</dev/tcp/198.51.100.14/22",
            ], timeout: 30)
        try #require(!ssh.status.isSuccess, "nas must not be reachable by SSH")
    }

    /// From now on the machine and the controller cannot talk at all.
    func cutOffController() throws { try rule("ip saddr 198.51.100.254 drop") }

    private func rule(_ words: String) throws {
        let made = try lab.on(
            "nas",
            input: """
                table inet away
                table inet away {
                  chain way { type filter hook input priority 0; policy accept; \(words); }
                }

                """, "nft -f -")
        try #require(made.status.isSuccess, "\(made.errorText)")
    }

    func invite(_ options: String...) throws -> RunningInvite {
        try RunningInvite(
            lab,
            lab.command(
                ["--lab", "peer", "invite", "nas", "--json", "--expires", "5m"] + options))
    }

    /// On a command line, because that is the way that could be seen by others.
    func join(_ token: String) throws -> CommandResult {
        try lab.on("nas", LabMesh.absoluteProgram, "join", token, timeout: 120)
    }

    func reachesWeb() throws -> Bool {
        try LabMesh.wait(20) {
            try lab.on("nas", "curl", "-sS", "-m", "5", "http://web.\(lab.mesh):8080/").text
                .contains("\"service\":\"web\"")
        }
    }

    /// What cannot be asked is said not to be known, and nothing else is made of it.
    func statusIsHonest() throws {
        let status = try lab.status().report
        let nas = try #require(status.nodes.first { $0.node == "nas" })
        #expect(nas.report == nil && nas.joined)
        let peering = status.peerings.first { $0.a == "ant" && $0.b == "nas" }
        #expect(peering?.state == .alive)
        let verify = try lab.meshproof("--lab", "verify", "--json")
        #expect(verify.status == .code(3), "an edge of a node that cannot be asked is not proven")
    }

    /// So a machine that nobody can log in to gets another key.
    func leavesAndJoinsAnew() throws {
        func key() throws -> String {
            try lab.on("nas", "wg", "show", "mp0-\(lab.mesh)", "public-key").text
        }
        let former = try key()
        let left = try lab.on("nas", LabMesh.absoluteProgram, "node", "leave", "--mesh", lab.mesh)
        #expect(left.status == .code(0), "\(left.text)\(left.errorText)")
        let invite = try invite("--listen", "198.51.100.254:7443")
        let joined = try join(try #require(try invite.token()))
        #expect(joined.status == .code(0), "\(joined.errorText)")
        #expect(try invite.end().isGood, "\(invite.said)")
        #expect(try reachesWeb())
        #expect(try key() != former)
        let keys = try lab.status().report.keys
        #expect(keys.nodesSince["nas"] ?? 0 > keys.wireguardSince ?? .infinity)
    }

    /// What the topology says later reaches the machine through its peer, without another invite.
    func laterChangesArrive() throws {
        let text = String(decoding: try Files.read(lab.topologyPath), as: UTF8.self)
        let service = "  web: { on: ant, kind: http, port: 8080 }\n"
        let edge = "      - nas -> web: wireguard"
        try #require(text.contains(service) && text.contains(edge), "\(text)")
        let changed = text.replacing(
            service, with: service + "  extra: { on: ant, kind: http, port: 8090 }\n"
        ).replacing(edge, with: edge + "\n      - nas -> extra: wireguard")
        try Files.replace(lab.topologyPath, with: Array(changed.utf8), mode: 0o644)
        let report = try lab.up()
        #expect(report.nodes.first { $0.node == "nas" }?.state == .mailed)
        let hasCome = try LabMesh.wait(LabConditions.isUnderEmulation ? 300 : 120) {
            try lab.on("nas", "getent", "hosts", "extra.\(lab.mesh)").status.isSuccess
        }
        #expect(hasCome)
    }

    /// Neither on the controller's disk nor on the node's, nor in what either keeps.
    func secretIsNowhere(_ token: String) throws {
        let body = String(token.dropFirst(5).prefix(40))
        for folder in [lab.stateFolder, lab.topologyPath] {
            let found = try Child.run(["grep", "-rlF", body, folder], timeout: 30)
            #expect(found.status == .code(1), "\(found.text)")
        }
        let there = try lab.on("nas", "grep", "-rlF", body, "/var/lib/meshproof", "/run/meshproof")
        #expect(there.status == .code(1), "\(there.text)")
    }
}

/// A `peer invite` that waits.
final class RunningInvite {
    private let child: Child
    private let output: Descriptor
    private let folder: String
    private var text = ""

    private struct Envelope<Value: Decodable>: Decodable { let result: Value }
    private struct Token: Decodable { let token: String }
    private struct Report: Decodable { let up: UpReport }

    init(_ lab: LabMesh, _ command: [String]) throws {
        folder = lab.folder
        let (reader, outlet) = try IO.pipe().split()
        output = Descriptor(owning: reader)
        defer { close(outlet) }
        let path = "\(folder)/invite.err"
        let errors = Descriptor(owning: try check("creat") { creat(path, 0o600) })
        child = try Child(command, output: outlet, errors: errors.number, newSession: true)
    }

    deinit { kill() }

    /// What it has said to people.
    var said: String {
        text + String(decoding: (try? Files.read("\(folder)/invite.err")) ?? [], as: UTF8.self)
    }

    /// With whatever it has started in the lab's namespaces, and without a chance to clean up.
    func kill() {
        Glibc.kill(-child.pid, SIGKILL)
        _ = try? child.wait(milliseconds: 10_000)
    }

    func token() throws -> String? { try next(Token.self)?.token }

    func end() throws -> UpReport {
        let report = try #require(try next(Report.self), "\(said)")
        _ = try child.wait(milliseconds: 30_000)
        return report.up
    }

    /// The next whole JSON document: each ends with a brace on a line of its own.
    private func next<Value: Decodable>(_ type: Value.Type) throws -> Value? {
        let deadline = Clocks.monotonic() + 120
        while Clocks.monotonic() < deadline {
            if let end = text.firstRange(of: "\n}\n") {
                let document = String(text[..<end.upperBound])
                text.removeSubrange(..<end.upperBound)
                return try Wire.decode(Envelope<Value>.self, from: Array(document.utf8)).result
            }
            guard try IO.wait(output.number, milliseconds: 1000) else { continue }
            let bytes = try IO.read(output.number)
            if bytes.isEmpty { return nil }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return nil
    }
}
