import LinuxSystem
import MeshController
import MeshModel
import Testing

@Suite("What a plain shell is told to do")
struct ShellTests {
    private func folder() throws -> String {
        let path = "/tmp/meshcontroller-shell-\(UInt64.random(in: .min ... .max))"
        try Files.makeFolder(path)
        return path
    }

    @Test("the probe's answer is read, whatever else is printed")
    func readsProbe() {
        let probe = NodeProbe.parse(
            """
            Last login: yesterday
            uid=0
            system=Linux
            machine=aarch64
            digest=0123
            enrolled=1
            socket=1
            stale=1
            systemd=1
            colour=red
            digest
            """)
        #expect(probe.uid == 0 && probe.system == "Linux" && probe.machine == "aarch64")
        #expect(probe.digest == "0123" && probe.isEnrolled && probe.hasSocket)
        #expect(probe.isStale && probe.hasSystemd)
        #expect(NodeProbe.parse("digest=\nuid=x\n") == NodeProbe())
    }

    @Test("a real shell answers the probe for a mesh that is not there", arguments: ["sh", "bash"])
    func probes(_ shell: String) throws {
        let result = try Child.run([shell, "-c", NodeProbe.command(mesh: "no-such-mesh")])
        #expect(result.status.isSuccess && result.errorText.isEmpty)
        let probe = NodeProbe.parse(result.text)
        #expect(probe.system == "Linux" && probe.uid != nil && !probe.machine.isEmpty)
        #expect(!probe.isEnrolled && !probe.hasSocket && !probe.isStale)
    }

    @Test("a real shell sweeps a machine on which nothing is", arguments: ["sh", "bash"])
    func sweepsNothing(_ shell: String) throws {
        let result = try Child.run([shell, "-c", DownRun.sweepCommand(mesh: "no-such-mesh")])
        #expect(result.status.isSuccess && result.errorText.isEmpty && result.text.isEmpty)
    }

    @Test("a sweep finds the processes of its mesh, and of no other")
    func sweepsProcesses() throws {
        let mesh = "t\(UInt32.random(in: 0 ... .max))"
        let folder = try folder()
        defer { try? Files.removeTree(folder) }
        // Only the command line counts: scripts that wait for their input's end, run by a shell of a borrowed name.
        // Nothing else holds their pipe open for writing than the shell that starts them: with it they end, whatever
        // ends it.
        for name in ["node", "mp0-\(mesh)", "mp0-x\(mesh)"] {
            try Files.replace("\(folder)/\(name)", with: "read x\n".utf8, mode: 0o644)
        }
        let script = """
            cd \(folder); mkfifo hold; exec 3<>hold
            (exec -a /opt/meshproof sh node agent --mesh \(mesh) --detached <hold 3>&-) & one=$!
            (exec -a wireguard-go sh mp0-\(mesh) <hold 3>&-) & two=$!
            (exec -a /opt/meshproof sh node agent --mesh \(mesh)x <hold 3>&-) & three=$!
            (exec -a wireguard-go sh mp0-x\(mesh) <hold 3>&-) & four=$!
            for p in $one $two $three $four; do
            until [ "$(cat /proc/$p/comm)" = sh ]; do sleep 0.01; done; done
            \(DownRun.sweepCommand(mesh: mesh).replacingExit)
            kill $one $two $three $four; wait 2>/dev/null; exit 0
            """
        let result = try Child.run(["bash", "-c", script], timeout: 60)
        let found = result.text.split(separator: "\n").map { $0.split(separator: ":").last ?? "" }
        #expect(
            Set(found) == [
                " /opt/meshproof node agent --mesh \(mesh) --detached ",
                " wireguard-go mp0-\(mesh) ",
            ])
    }

    @Test("a program is put in its place only if it arrived whole and runs")
    func installs() throws {
        let folder = try folder()
        defer { try? Files.removeTree(folder) }
        let target = "\(folder)/lib/meshproof"
        let good = Array("#!/bin/sh\nexit 0\n".utf8)
        let broken = Array("#!/bin/sh\nexit 3\n".utf8)

        #expect(try install(good, claimed: good, target).isSuccess)
        #expect(try Files.read(target, limit: 100) == good)
        #expect(Files.mode(target) == 0o755)
        #expect(try install(Array(good.dropLast()), claimed: good, target) == .code(81))
        #expect(try !install(broken, claimed: broken, target).isSuccess)
        // What was there stays, and nothing lies about.
        #expect(try Files.read(target, limit: 100) == good)
        #expect(try Files.list("\(folder)/lib") == ["meshproof"])
    }

    private func install(
        _ bytes: [UInt8], claimed: [UInt8], _ target: String
    ) throws -> LinuxSystem.ExitStatus {
        let digest = try Child.run(["sha256sum"], input: claimed).text.prefix(64)
        let command = NodeContact.installCommand(digest: String(digest), target: target)
        return try Child.run(["/bin/sh", "-c", command], input: bytes).status
    }
}

extension String {
    /// A sweep without the `exit 0` at its end, so that a script can go on behind it.
    fileprivate var replacingExit: String { hasSuffix("; exit 0") ? String(dropLast(8)) : self }
}
