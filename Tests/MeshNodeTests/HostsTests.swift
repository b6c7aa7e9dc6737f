import Glibc
import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("Names are a block in /etc/hosts, and nothing around it moves")
struct HostsTests {
    static let text = HostsText(mesh: "home")
    static let wanted = names([
        ("10.77.0.1", ["edge.home", "webui.home"]), ("fd77::2", ["gpu.home"]),
    ])
    static let other = names([("10.77.0.9", ["new.home"])])

    static func names(_ lines: [(String, [String])]) -> DesiredNames {
        DesiredNames(
            entries: lines.compactMap { address, names in
                IPAddress(address).map { DesiredNames.Entry(address: $0, names: names) }
            })
    }

    @Test(
        "put in, changed and taken out again, the file is the same, byte for byte",
        arguments: [
            "", "127.0.0.1 localhost\n", "127.0.0.1\tlocalhost\r\n# tabs\tand ü\r\n", "\n\n",
            "# BEGIN meshproof homer: another mesh\n10.1.0.1\tx.homer\n# END meshproof homer\n",
            "10.77.0.1 edge.home\n",
        ])
    func around(_ before: String) throws {
        let original = Array(before.utf8)
        let set = Self.text.setting(Self.wanted, in: original)
        #expect(set.starts(with: original))
        #expect(Self.text.found(in: set) == Self.text.block(Self.wanted))
        #expect(Self.text.setting(Self.wanted, in: set) == set, "a second time changes nothing")
        // Somebody else appends below; the block stays where it is.
        let appended = set + Array("10.0.0.1 printer\n".utf8)
        let changed = Self.text.setting(Self.other, in: appended)
        #expect(Self.text.found(in: changed) == Self.text.block(Self.other))
        #expect(Self.text.removing(from: changed) == original + Array("10.0.0.1 printer\n".utf8))
        #expect(Self.text.removing(from: set) == original)
    }

    @Test("a file without a last newline gets one, and nothing else")
    func noNewline() {
        let set = Self.text.setting(Self.wanted, in: Array("127.0.0.1 localhost".utf8))
        #expect(Self.text.removing(from: set) == Array("127.0.0.1 localhost\n".utf8))
    }

    @Test("a block whose end is missing ends where other lines begin; twice there is twice gone")
    func damaged() {
        let block = Self.text.block(Self.wanted).dropLast().joined(separator: "\n")
        let text = Array("a\n\(block)\n10.0.0.1 printer\n10.0.0.2 x.home y.work\n".utf8)
        let rest = Array("a\n10.0.0.1 printer\n10.0.0.2 x.home y.work\n".utf8)
        #expect(Self.text.removing(from: text) == rest)
        let set = Self.text.setting(Self.wanted, in: text)
        #expect(Self.text.removing(from: set + set) == rest + rest)
    }

    @Test("the keeper writes the file as it was, and says what differs")
    func keeper() throws {
        let box = try Box("keeper")
        let keeper = HostsKeeper(folders: box.folders, program: nil)
        #expect(keeper.observe(nil) == nil)
        #expect(keeper.observe(Self.wanted)?.differences == ["there are none"])
        try keeper.set(Self.wanted)
        #expect(keeper.observe(Self.wanted)?.differences == [])
        #expect(Files.mode(box.hosts) == UInt32(0o644))
        #expect(
            keeper.observe(Self.other)?.differences == [
                "10.77.0.9 new.home is missing", "10.77.0.1 edge.home webui.home is not wanted",
                "fd77::2 gpu.home is not wanted",
            ])
        #expect(keeper.observe(nil) != nil, "left over where none is wanted")
        try keeper.remove()
        #expect(try Files.read(box.hosts) == Array(Box.before.utf8))
        #expect(keeper.observe(nil) == nil)
    }

    @Test("a rewrite in place that a crash cut short is made whole from its copy")
    func cutShort() throws {
        let box = try Box("cut")
        try Files.makeFolder(box.folders.state)
        let whole = Self.text.setting(Self.other, in: Array(Box.before.utf8))
        try Files.replace(box.folders.hostsRewrite, with: whole)
        try Files.replace(box.hosts, with: whole.prefix(9), mode: 0o644)
        let keeper = HostsKeeper(folders: box.folders, program: nil)
        let seen = keeper.observe(Self.other)?.differences ?? []
        #expect(seen.first == "a rewrite was cut short")
        try keeper.set(Self.other)
        #expect(try Files.read(box.hosts) == whole)
        #expect(!Files.exists(box.folders.hostsRewrite))
        #expect(keeper.observe(Self.other)?.differences == [])
    }

    @Test("what cannot be written is told, takes nothing back, and is tried again")
    func lenient() throws {
        let world = try TestWorld()
        world.kernel.failing = "set 1 lines in /etc/hosts"
        try world.install(
            try world.document(1) { $0.names = Self.names([("10.77.0.1", ["gpu.lab"])]) })
        let report = try world.report()
        #expect(report.hello.revision == 1)
        #expect(report.drift.map(\.change.summary) == ["set 1 lines in /etc/hosts"])
        #expect(report.repairs.last?.failure != nil)
        world.kernel.failing = nil
        world.pass(600)
        #expect(try world.report().drift.isEmpty)
    }

    @Test(
        "a document whose names are another's, or could be lines of their own, is refused",
        arguments: [
            ("10.77.0.1", "gpu.work"), ("192.0.2.1", "gpu.lab"), ("10.77.0.1", "localhost"),
            ("10.77.0.1", "a b.lab"), ("10.77.0.1", "a\n10.0.0.1 bank.example .lab"),
            ("10.77.0.1", ".lab"), ("10.77.0.1", "# .lab"),
        ])
    func refused(_ address: String, _ name: String) throws {
        let world = try TestWorld()
        let document = try world.document(1) { $0.names = Self.names([(address, [name])]) }
        #expect(try world.stage(document).refusal == .invalidDocument)
    }

    /// A folder with an /etc/hosts of its own.
    private final class Box {
        static let before = "127.0.0.1 localhost\n"
        let root: String
        let folders: NodeFolders
        var hosts: String { folders.hosts }

        init(_ name: String) throws {
            root = "/tmp/meshproof-hosts-\(name)-\(getpid())"
            try Files.makeFolder("\(root)/etc")
            folders = try #require(NodeFolders(mesh: "home", root: root))
            try Files.replace(folders.hosts, with: Self.before.utf8, mode: 0o644)
        }

        deinit { _ = try? Files.removeTree(root) }
    }
}
