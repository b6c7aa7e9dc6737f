import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Testing

@Suite("A mailbox keeps one mail a node, the newest")
struct MailboxTests {
    private let world: TestWorld
    private let box: Mailbox
    private let now = Moment(wall: 100, monotonic: 1)

    init() throws {
        world = try TestWorld()
        box = Mailbox(world.folders, FileStorage())
        try box.load()
    }

    private static let mail = [UInt8](repeating: 7, count: 100)

    private func call(_ highest: UInt64, inForce: UInt64? = nil, settling: Bool = false) -> MailCall
    {
        MailCall(highest: highest, inForce: inForce ?? highest, isSettling: settling)
    }

    private func code(_ body: () throws -> Void) -> ProtocolError.Code? {
        do { try body() } catch { return (error as? ProtocolError)?.code }
        return nil
    }

    @Test("a newer one takes the place of an older one; an older one is refused")
    func newest() throws {
        try box.keep(Self.mail, for: "edge", revision: 5, at: now)
        try box.keep(Self.mail, for: "edge", revision: 5, at: Moment(wall: 200, monotonic: 2))
        #expect(box.report == [KeptMail(node: "edge", revision: 5, since: 100)])
        #expect(
            code { try box.keep(Self.mail, for: "edge", revision: 4, at: now) } == .staleRevision)
        try box.keep(Self.mail + [1], for: "edge", revision: 6, at: now)
        #expect(box.waiting["edge"] == Mailbox.Waiting(revision: 6, sealed: Self.mail + [1]))
        let file = "\(world.folders.mail)/edge.json"
        #expect(Files.mode(file) == 0o600)
        #expect(try Files.list(world.folders.mail) == ["edge.json"])
    }

    @Test(
        "when the addressee says that it has it, or a newer one, is noted; any process there may say so, and it stays"
    )
    func taken() throws {
        try box.keep(Self.mail, for: "edge", revision: 5, at: now)
        #expect(try !box.heard(call(4), from: "edge", at: now))
        #expect(try !box.heard(call(9), from: "gpu", at: now), "another node's word")
        #expect(box.waiting["edge"] != nil)
        let later = Moment(wall: 160, monotonic: 60)
        #expect(try box.heard(call(5, inForce: 4, settling: true), from: "edge", at: later))
        #expect(box.waiting["edge"]?.sealed == Self.mail)
        #expect(box.report == [KeptMail(node: "edge", revision: 5, since: 100, takenAt: 160)])
        #expect(
            try !box.heard(call(5, inForce: 5), from: "edge", at: Moment(wall: 190, monotonic: 90)))
        #expect(box.report[0].takenAt == 160 && box.report[0].inForce == 5)
        // Numbers that go on rising are not worth a write each.
        _ = try box.heard(call(.max, inForce: .max), from: "edge", at: now)
        #expect(box.report[0].inForce == 5)
        // What was there is not taken back in.
        #expect(
            code { try box.keep(Self.mail, for: "edge", revision: 4, at: now) } == .staleRevision)
        let again = Mailbox(world.folders, FileStorage())
        try again.load()
        #expect(again.report == box.report)
    }

    @Test("a node that took the change back shows it")
    func takenBack() throws {
        try box.keep(Self.mail, for: "edge", revision: 5, at: now)
        _ = try box.heard(call(5, inForce: 3, settling: true), from: "edge", at: now)
        _ = try box.heard(call(5, inForce: 3), from: "edge", at: now)
        #expect(box.report[0].inForce == 3)
    }

    @Test(
        "no name leads out of its folder",
        arguments: [
            "", "..", "../keys", "a/b", "Edge", "a.json", String(repeating: "a", count: 64), "a\0",
        ])
    func names(name: String) {
        #expect(
            code { try box.keep(Self.mail, for: name, revision: 1, at: now) } == .invalidDocument)
        #expect(box.report.isEmpty && !Files.exists(world.folders.mail))
    }

    @Test("what is too small, too large, or more than the box holds is refused")
    func sizes() throws {
        for count in [0, 48, MailContent.limit + 1] {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(
                code { try box.keep(bytes, for: "edge", revision: 1, at: now) } == .invalidDocument)
        }
        let most = [UInt8](repeating: 1, count: MailContent.limit)
        let room = Mailbox.capacity / MailContent.limit
        for number in 0..<room { try box.keep(most, for: "n\(number)", revision: 1, at: now) }
        #expect(code { try box.keep(Self.mail, for: "edge", revision: 1, at: now) } == .failed)
        // In place of its own older one there is room.
        try box.keep(most, for: "n0", revision: 2, at: now)
        #expect(box.report.count == room)
    }

    @Test("whoever is no peer any more is not to find any")
    func drops() throws {
        for name in ["edge", "gpu", "db"] {
            try box.keep(Self.mail, for: name, revision: 1, at: now)
        }
        #expect(try box.drop(besides: ["gpu"]) == ["db", "edge"])
        #expect(box.report.map(\.node) == ["gpu"])
        #expect(try Files.list(world.folders.mail) == ["gpu.json"])
    }

    @Test("what it did not write is dropped, and nothing else")
    func damaged() throws {
        try box.keep(Self.mail, for: "gpu", revision: 1, at: now)
        let good = String(decoding: try Files.read("\(world.folders.mail)/gpu.json"), as: UTF8.self)
        let files = [
            "edge.json": "{", "db.json": good, "note": good,
            "nat.json": good.replacing("\"gpu\"", with: "\"nat\"").replacing("BwcH", with: "=B=="),
        ]
        for (name, text) in files {
            try Files.replace("\(world.folders.mail)/\(name)", with: text.utf8)
        }
        let again = Mailbox(world.folders, FileStorage())
        try again.load()
        #expect(again.report.map(\.node) == ["gpu"] && again.waiting == box.waiting)
        #expect(try Files.list(world.folders.mail) == ["gpu.json"])
    }
}
