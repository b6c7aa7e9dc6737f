import Glibc
import LinuxSystem
import MeshController
import Testing

@Suite(
    "Losing the controller does not lose the mesh, and shred leaves nothing of it", .serialized,
    .enabled(if: LabConditions.isRoot))
struct StateLabTests {
    private static let tail = """
        services:
          web: { on: bee, kind: http, port: 8080 }
        paths:
          data:
            carries: [documents]
            edges:
              - ant -> web: wireguard
        lab:
          services:
            web:
              prepare: mkdir -p /tmp/web && echo hello >/tmp/web/index.html
              run: exec busybox httpd -f -p [::]:8080 -h /tmp/web
        """

    private func run(_ lab: LabMesh, _ arguments: String...) throws -> CommandResult {
        try Child.run(lab.command(["--lab"] + arguments), timeout: 240)
    }

    @Test(
        "backed up, lost, restored elsewhere and locked anew, the controller runs and proves the mesh; then shred"
    )
    func wholeLife() throws {
        let lab = try LabMesh("tstate", hosts: ["ant", "bee"], tail: Self.tail)
        let first = try lab.up()
        #expect(first.handshakes == 1)
        let (backup, phrase) = ("\(lab.folder)/lab.mpbk", "\(lab.folder)/phrase")
        try Files.replace(phrase, with: "six random words\n".utf8, mode: 0o600)
        let made = try run(
            lab, "state", "backup", backup, "--backup-passphrase-file", phrase, "--json")
        #expect(made.status == .code(0), "\(made.errorText)")
        let before = try lab.decode(StateBackup.Report.self, made)

        // The machine is lost: its state, and the key to it.
        try Files.removeTree(lab.stateFolder)
        let key = "/run/meshproof-lab/tstate/controller.kek"
        #expect(Files.exists(key))
        try Files.removeTree(key)
        let stranger = try run(lab, "up")
        #expect(stranger.status == .code(1), "without its state it is another controller")
        #expect(stranger.text.contains("another controller"), "\(stranger.text)")

        // Another machine has another folder.
        let state = "\(lab.folder)/other/state"
        let restored = try run(
            lab, "state", "restore", backup, "--state", state, "--backup-passphrase-file", phrase,
            "--json")
        #expect(restored.status == .code(0), "\(restored.errorText)")
        let after = try lab.decode(StateRestore.Report.self, restored)
        #expect(after.meshID == before.meshID && after.secrets == before.secrets)
        let status = try run(lab, "status", "--state", state, "--json")
        #expect(status.status == .code(0), "\(status.text)")
        let again = try run(lab, "up", "--state", state, "--json")
        #expect(again.status == .code(0), "\(again.text) \(again.errorText)")
        let up = try lab.decode(UpReport.self, again)
        #expect(up.nodes.map(\.state) == [.unchanged, .unchanged])
        #expect(try run(lab, "verify", "--state", state).status == .code(0))

        // A new document takes the signing key and the preshared keys.
        #expect(try run(lab, "state", "rekey", "--state", state).status == .code(0))
        try lab.write(tail: Self.tail, port: 51830)
        let moved = try run(lab, "up", "--state", state, "--json")
        #expect(moved.status == .code(0), "\(moved.text) \(moved.errorText)")
        #expect(try run(lab, "verify", "--state", state).status == .code(0))

        try changeSigningKey(lab, state)
        try shred(lab, state)
    }

    /// With a node away, which takes the new key when it is back; the receipt from before stays believed.
    private func changeSigningKey(_ lab: LabMesh, _ state: String) throws {
        _ = try lab.on("bee", "ip", "link", "set", "eth0", "down")
        let away = try run(
            lab, "state", "rekey", "--controller", "--state", state, "--timeout", "5", "--json")
        #expect(away.status == .code(1), "\(away.text) \(away.errorText)")
        let report = try lab.decode(ControllerKeyRun.Report.self, away)
        #expect(report.nodes.map(\.hasKey) == [true, false])
        _ = try lab.on("bee", "ip", "link", "set", "eth0", "up")
        try lab.write(tail: Self.tail, port: 51840)
        let up = try run(lab, "up", "--state", state)
        #expect(up.status == .code(0), "\(up.text) \(up.errorText)")
        let identity = "/var/lib/meshproof/tstate/identity.json"
        for host in ["ant", "bee"] {
            let text = try lab.on(host, "cat", identity).text
            #expect(text.contains("\"controllerKey\" : \"\(report.newKey)\""), "\(text)")
        }
        #expect(try run(lab, "verify", "--state", state).status == .code(0))
        let ring = "\(lab.folder)/keys"
        let keys = try run(lab, "receipt", "key", "--all", "--state", state)
        try Files.replace(ring, with: keys.output)
        let log = "\(lab.folder)/log.jsonl"
        #expect(try run(lab, "receipt", "ls", "--export", log, "--state", state).status == .code(0))
        let check = try Child.run([
            LabMesh.program, "receipt", "check", log, "--all", "--key", ring,
        ])
        #expect(check.status == .code(0), "\(check.text) \(check.errorText)")
    }

    private func shred(_ lab: LabMesh, _ state: String) throws {
        #expect(try run(lab, "shred", "--state", state, "--yes").status == .code(64))
        #expect(try lab.on("ant", "wg", "show", "mp0-tstate").status.isSuccess, "nothing was done")
        let copy = "\(lab.folder)/copy"
        #expect(try Child.run(["cp", "-a", state, copy]).status.isSuccess)
        // One node is away, and must not keep the rest alive.
        _ = try lab.on("bee", "ip", "link", "set", "eth0", "down")
        let result = try run(
            lab, "shred", "--state", state, "--yes", "--mesh", "tstate", "--timeout", "5", "--json")
        #expect(result.status == .code(1), "\(result.text) \(result.errorText)")
        let report = try lab.decode(ShredRun.Report.self, result)
        #expect(report.keyFile && report.secrets >= 2)
        #expect(report.nodes.filter { $0.error != nil }.map(\.node) == ["bee"])
        #expect(!Files.exists(state) && !Files.exists("\(state).kek"))
        #expect(try !lab.on("ant", "wg", "show", "mp0-tstate").status.isSuccess)
        #expect(try !lab.on("ant", "test", "-e", "/var/lib/meshproof").status.isSuccess)
        // What the report says to do on bee does it.
        let leave = try lab.on(
            "bee", "/usr/local/lib/meshproof/meshproof", "node", "leave", "--mesh", "tstate")
        #expect(leave.status.isSuccess, "\(leave.text) \(leave.errorText)")
        #expect(try !lab.on("bee", "test", "-e", "/var/lib/meshproof").status.isSuccess)
        let dead = try run(lab, "up", "--state", copy)
        #expect(dead.status == .code(1))
        #expect(dead.errorText.contains("key file"), "\(dead.errorText)")
    }
}
