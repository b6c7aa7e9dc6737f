import Glibc
import LinuxSystem
import MeshLab
import TestSupport
import Testing

@Suite(
    "A lab survives the sudden end of whoever builds it", .serialized, .enabled(if: KilledLab.isFit)
)
struct LabKilledTests {
    @Test("Killed at any moment, up converges when run again, and down leaves nothing")
    func killedAtRandom() throws {
        let lab = try KilledLab()
        defer { lab.remove() }
        var random = SplitMix(20)
        for round in 0..<10 {
            let child = try Child([KilledLab.program, "-t", lab.file, "lab", "up"])
            Clocks.sleep(Double(random.next() % 400) / 1000)
            child.signal(SIGKILL)
            _ = try child.wait()
            if round % 2 == 0 {
                let up = try lab.run("up")
                #expect(up.status.isSuccess, "round \(round): \(up.errorText)")
            }
            let down = try lab.run("down")
            #expect(down.status.isSuccess, "round \(round): \(down.text) \(down.errorText)")
            #expect(!Files.exists(LabNames(mesh: "labkill").root))
            #expect(lab.namespaces().isEmpty, "round \(round)")
            #expect(lab.inits().isEmpty, "round \(round)")
        }
    }

    @Test("A name that was half made is taken away, and one that was made for something else stays")
    func halfMade() throws {
        let lab = try KilledLab()
        defer { lab.remove() }
        #expect(try lab.run("up").status.isSuccess)
        let others = "/run/netns/mp-labkill2-one.4711.3.new"
        let left = "/run/netns/mp-labkill-one.4711.3.new"
        for path in [left, others] { try Files.touch(path, mode: 0o444) }
        defer { _ = try? Files.remove(others) }
        let down = try lab.run("down")
        #expect(down.status.isSuccess, "\(down.text) \(down.errorText)")
        #expect(!Files.exists(left) && Files.exists(others))
    }

    @Test("A second up at the same time is refused, and harms nothing")
    func secondComer() throws {
        let lab = try KilledLab()
        defer { lab.remove() }
        let path = LabNames(mesh: "labkill").lock
        try Files.makeFolder(Files.folder(of: path))
        guard let held = try FileLock(path: path) else {
            Issue.record("the lock is held by somebody else")
            return
        }
        let up = try lab.run("up")
        #expect(up.status == .code(1))
        #expect(up.errorText.contains("another meshproof is building or ending this lab"))
        _ = consume held
        #expect(try lab.run("up").status.isSuccess)
    }
}

/// A lab that is driven through the command line, so that it can be killed.
private struct KilledLab {
    let file: String
    static let program: String = {
        if let path = getenv("MESHPROOF_BIN") { return String(cString: path) }
        let folder = getcwd(nil, 0)
        defer { free(folder) }
        return (folder.map { String(cString: $0) } ?? "") + "/.build/debug/meshproof"
    }()
    static let isFit = geteuid() == 0 && access(program, X_OK) == 0

    init() throws {
        let text = """
            mesh: { name: labkill, network: 10.77.0.0/24 }
            nodes:
              one: { connect: "ssh://root@198.51.100.1", endpoint: 198.51.100.1 }
              two: { connect: "ssh://root@198.51.100.2", endpoint: 198.51.100.2 }
              three: { connect: "ssh://root@198.51.100.3", endpoint: 198.51.100.3 }
            services:
              ollama: { on: two, kind: ollama }
            paths:
              chat:
                carries: [prompts]
                edges: [one -> ollama: wireguard]

            """
        file = "/tmp/labkill.\(getpid()).yaml"
        try Files.replace(file, with: text.utf8)
    }

    func run(_ deed: String) throws -> CommandResult {
        try Child.run([KilledLab.program, "-t", file, "lab", deed], timeout: 120)
    }

    func namespaces() -> [String] {
        ((try? Files.list("/run/netns")) ?? []).filter { $0.hasPrefix("mp-labkill-") }
    }

    /// Processes of the lab; one that a kill has just reached may take a moment to go.
    func inits() -> [String] {
        for _ in 0..<100 {
            let found = ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) }.compactMap {
                pid in
                let bytes = (try? Files.read("/proc/\(pid)/cmdline")) ?? []
                let text = String(decoding: bytes, as: UTF8.self)
                return text.contains("/run/meshproof-lab/labkill/") ? text : nil
            }
            if found.isEmpty { return [] }
            Clocks.sleep(0.02)
        }
        return ["still there"]
    }

    func remove() {
        _ = try? run("down")
        _ = try? Files.remove(file)
    }
}
