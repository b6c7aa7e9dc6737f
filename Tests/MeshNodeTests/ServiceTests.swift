import CLinux
import Glibc
import LinuxSystem
import MeshNode
import Testing

@Suite("The service manager")
struct ServiceTests {
    private func manager(_ path: String?, watchdog: String? = nil, process: String? = nil)
        -> ServiceManager
    {
        ServiceManager(socketPath: path, watchdog: watchdog, watchdogProcess: process, process: 42)
    }

    @Test("is told READY, WATCHDOG and STOPPING, one datagram each")
    func notifies() throws {
        let path = "/tmp/meshnode-notify-\(UInt64.random(in: .min ... .max))"
        let socket = Descriptor(
            owning: Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        #expect(cl_unix_bind(socket.number, path) == 0)
        defer { unlink(path) }
        let manager = manager(path)
        manager.ready()
        manager.watchdog()
        manager.stopping()
        var told: [String] = []
        for _ in 0..<3 where try IO.wait(socket.number, milliseconds: 5_000) {
            told.append(String(decoding: try IO.read(socket.number), as: UTF8.self))
        }
        #expect(told == ["READY=1", "WATCHDOG=1", "STOPPING=1"])
    }

    @Test(
        "is told that the agent lives at half of what the unit allows",
        arguments: [
            ("/run/x", "120000000", nil, 60.0), ("/run/x", "120000000", "42", 60.0),
            ("/run/x", "120000000", "41", nil), (nil, "120000000", nil, nil),
            ("/run/x", nil, nil, nil),
            ("/run/x", "0", nil, nil), ("/run/x", "soon", nil, nil),
        ] as [(String?, String?, String?, Double?)])
    func watchdog(path: String?, period: String?, process: String?, expected: Double?) {
        #expect(manager(path, watchdog: period, process: process).watchdogInterval == expected)
    }

    @Test("that is not there is not missed", arguments: [nil, "", "relative", "/no/such/socket"])
    func absent(path: String?) {
        manager(path).ready()
    }

    @Test("takes the unit as systemd reads it, where systemd-analyze is installed")
    func unit() throws {
        let text = SystemdUnit.text(mesh: "lab", program: "/bin/true")
        #expect(text.contains("ExecStart=/bin/true node agent --mesh lab\n"))
        guard Child.find("systemd-analyze") != nil else { return }
        let folder = "/tmp/meshnode-unit-\(UInt64.random(in: .min ... .max))"
        defer { try? Files.removeTree(folder) }
        let path = "\(folder)/meshproof-lab.service"
        try Files.makeFolder(folder)
        try Files.replace(path, with: Array(text.utf8), mode: 0o644)
        let result = try Child.run(["systemd-analyze", "verify", "--man=no", path], timeout: 60)
        let complaints = result.errorText.split(separator: "\n").filter {
            $0.contains("meshproof-lab")
        }
        #expect(complaints.isEmpty, "\(result.errorText)")
    }
}

@Suite("The agent's log")
struct LogTests {
    @Test("is root's alone, one line a message, and does not grow without bounds")
    func bounded() throws {
        let folder = "/tmp/meshnode-log-\(UInt64.random(in: .min ... .max))"
        defer { try? Files.removeTree(folder) }
        try Files.makeFolder(folder)
        let path = "\(folder)/agent.log"
        let log = NodeLog(.file(path))
        log.warning("first\nsecond\u{7f}")
        #expect(Files.mode(path) == 0o600)
        let text = String(decoding: try Files.read(path), as: UTF8.self)
        #expect(text.hasSuffix("warning: first second \n"))
        #expect(text.split(separator: "\n").count == 1)
        let long = String(repeating: "x", count: 1_900)
        for _ in 0..<1_700 { log.notice(long) }
        #expect(try Files.read(path).count <= NodeLog.fileLimit)
        #expect(try Files.read(path + ".1").count <= NodeLog.fileLimit)
        #expect(try Files.list(folder) == ["agent.log", "agent.log.1"])
    }
}
