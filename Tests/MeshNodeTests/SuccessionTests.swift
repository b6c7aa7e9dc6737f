import MeshModel
import MeshNode
import NodeProtocol
import Secrets
import Testing

@Suite("A node pins the controller's new key only where the pinned one vouches for it")
struct SuccessionTests {
    private let world: TestWorld
    private let keys: [SigningKey]

    init() throws {
        world = try TestWorld()
        keys = [world.controller] + (try (0..<3).map { _ in try SigningKey() })
    }

    private func link(_ from: Int, _ to: Int, _ sequence: UInt64, mesh: String? = nil)
        -> KeySuccession
    {
        KeySuccession.make(
            meshID: mesh ?? world.identity.meshID, sequence: sequence, lastReceipt: 0,
            from: keys[from], to: keys[to])
    }

    private func pinned() throws -> PublicKey? { try world.hello().controllerKey }

    @Test("it follows a chain, keeps its document, and takes new ones from the new key only")
    func follows() throws {
        try world.install(try world.document(1))
        #expect(world.ask(.succeed(chain: [link(0, 1, 1), link(1, 2, 2)])) == .done)
        #expect(try pinned() == keys[2].publicKey)
        #expect(world.ask(.succeed(chain: [link(0, 1, 1), link(1, 2, 2)])) == .done, "again")
        let old = try world.stage(try world.document(2))
        #expect(old.refusal == .signature, "the old key signs nothing new")
        try world.restart()
        #expect(try world.hello().revision == 1, "what the old key signed is still in force")
        #expect(try pinned() == keys[2].publicKey)
        #expect(try world.report().drift.isEmpty)
        let new = try world.sign(try world.document(2), by: keys[2])
        #expect(world.ask(.stage(document: new, presharedKeys: [world.payload()])).refusal == nil)
    }

    @Test("a node that was away twice follows from where it is")
    func catchesUp() throws {
        #expect(world.ask(.succeed(chain: [link(0, 1, 1)])) == .done)
        let whole = [link(0, 1, 1), link(1, 2, 2), link(2, 3, 3)]
        #expect(world.ask(.succeed(chain: whole)) == .done)
        #expect(try pinned() == keys[3].publicKey)
    }

    @Test(
        "forged, replayed, another mesh's, older and foreign ones are refused, and change nothing")
    func refuses() throws {
        var forged = link(0, 1, 1)
        forged.newKey = keys[2].publicKey
        #expect(world.ask(.succeed(chain: [forged])).refusal == .signature)
        forged = link(0, 1, 1)
        forged.sequence = 9
        #expect(world.ask(.succeed(chain: [forged])).refusal == .signature)
        forged = link(1, 2, 1)
        forged.oldKey = keys[0].publicKey
        #expect(world.ask(.succeed(chain: [forged])).refusal == .signature)
        forged = link(0, 1, 1)
        forged.newSignature = forged.oldSignature
        #expect(world.ask(.succeed(chain: [forged])).refusal == .signature, "nobody has that key")
        let other = link(0, 1, 1, mesh: String(repeating: "0", count: 32))
        #expect(world.ask(.succeed(chain: [other])).refusal == .wrongName)
        #expect(world.ask(.succeed(chain: [link(1, 2, 1)])).refusal == .otherController)
        #expect(world.ask(.succeed(chain: [])).refusal == .otherController)
        #expect(try pinned() == keys[0].publicKey)

        // There and back: the first link leads on from the pinned key again, and is too old.
        #expect(world.ask(.succeed(chain: [link(0, 1, 1), link(1, 0, 2)])) == .done)
        #expect(try pinned() == keys[0].publicKey)
        #expect(world.ask(.succeed(chain: [link(0, 1, 1)])).refusal == .staleRevision)
        #expect(world.ask(.succeed(chain: [link(0, 2, 2)])).refusal == .staleRevision)
        #expect(try pinned() == keys[0].publicKey)
        #expect(world.ask(.succeed(chain: [link(0, 2, 3)])) == .done)
    }

    @Test(
        "killed before the key is written it has the old one, and the same again pins the new one")
    func killed() throws {
        try world.install(try world.document(1))
        world.storage.fuse = world.storage.changes
        #expect(world.ask(.succeed(chain: [link(0, 1, 1)])).refusal != nil)
        #expect(try pinned() == keys[0].publicKey)
        try world.restart()
        #expect(try pinned() == keys[0].publicKey)
        #expect(try world.hello().revision == 1)
        #expect(world.ask(.succeed(chain: [link(0, 1, 1)])) == .done)
        #expect(try pinned() == keys[1].publicKey)
    }
}
