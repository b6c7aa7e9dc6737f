import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Secrets
import StateStore
import TestSupport
import Testing

@Suite("The controller changes its signing key, nodes follow, and old receipts stay believed")
struct ControllerKeyTests {
    private let mesh: TestMesh

    init() throws {
        mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
    }

    private var run: ControllerKeyRun {
        ControllerKeyRun(
            mesh.topology, folders: mesh.folders, passphraseFile: nil, carrier: mesh.carrier,
            settings: mesh.settings, progress: NoProgress())
    }

    private func pinned(_ node: String) throws -> String? {
        try mesh.machine(node).snapshot.identity?.controllerKey
    }

    @Test("every node that answers pins the new key, and one that was away does with the next up")
    func handsOver() throws {
        let before = try mesh.state().identity
        try mesh.machine("gpu").trouble(.unreachable)
        let first = try run.run()
        #expect(first.nodes.map(\.hasKey) == [true, true, false] && !first.isDone)
        #expect(first.oldKey == before.controllerKey && first.sequence == 1)
        let second = try run.run()
        #expect(second.oldKey == first.newKey && second.sequence == 2)
        #expect(try pinned("db") == second.newKey.description)
        #expect(try pinned("gpu") == before.controllerKey.description)
        let after = try mesh.state().identity
        #expect(after.controllerKey == second.newKey && after.meshID == before.meshID)

        try mesh.machine("gpu").trouble()
        let status = try mesh.status()
        #expect(status.unpinned == ["gpu"] && !status.isAsWanted)
        #expect(status.controllerKey == second.newKey)
        let plan = try mesh.plan()
        #expect(
            plan.nodes.map { $0.steps.map(\.change) }
                == [[], [], [.pinController(key: second.newKey)]])
        mesh.add("fox")
        let up = try mesh.up()
        #expect(up.isGood, "all take documents that the new key signed")
        #expect(up.nodes[2].steps.first?.change == .pinController(key: second.newKey))
        #expect(try mesh.status().unpinned == [] && mesh.plan().hasChanges == false)
        for node in ["db", "edge", "gpu", "fox"] {
            #expect(try pinned(node) == second.newKey.description, "\(node)")
        }
    }

    @Test("killed between the key and the nodes, the next up goes on")
    func killed() throws {
        let link = try run.makeKey()
        #expect(try mesh.state().identity.controllerKey == link.newKey)
        #expect(try pinned("db") == link.oldKey.description)
        mesh.add("fox")
        #expect(try mesh.up().isGood)
        #expect(try pinned("db") == link.newKey.description)
    }

    @Test("key, chain and public key change in one commit: one that fails changes nothing")
    func oneCommit() throws {
        let before = try openSecrets(mesh.folders)
        do {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            // Somebody was here first: the number is taken, by what cannot be read as a change of the key.
            try store.put("mesh/controller-succession/1", Array("{}".utf8))
        }
        #expect(throws: ControllerError.self) { _ = try run.makeKey() }
        #expect(try openSecrets(mesh.folders) == before)
    }

    @Test("the old private key is nowhere in the state")
    func oldKeyIsGone() throws {
        let sealed = {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            return try SecretRegistry(store).all().values.map { Array($0.suffix(48)) }
        }
        let old = try sealed()
        _ = try run.makeKey()
        for bytes in try filesBelow(mesh.folders.state).values {
            for secret in old { #expect(!bytes.contains(secret)) }
        }
        let now = try sealed()
        #expect(
            try filesBelow(mesh.folders.state).values.contains { $0.contains(now.first ?? []) })
    }

    @Test(
        "receipts of all keys are believed with the first key and the chain, each for its own numbers"
    )
    func receipts() throws {
        let receiptMesh = try TestMesh(["edge"])
        let run = ControllerKeyRun(
            receiptMesh.topology, folders: receiptMesh.folders, passphraseFile: nil,
            carrier: receiptMesh.carrier, settings: receiptMesh.settings, progress: NoProgress())
        func issue() throws -> IssuedReceipt {
            try receiptMesh.state().appendReceipt(
                ReceiptBench.report, facts: VerifySamples.facts, now: ReceiptBench.now)
        }
        let old = try receiptMesh.state().identity.controllerKey
        var receipts = [try issue(), try issue()]
        _ = try run.makeKey()
        // A key that signs nothing before it is changed again.
        _ = try run.makeKey()
        receipts.append(try issue())
        let state = try receiptMesh.state(writing: false)
        let keys = try #require(try state.receiptKeys())
        #expect(keys.spans.map(\.numbers) == [0...2, 3...Int.max])
        #expect(ReceiptKeys.parse(keys.text) == keys)
        func chain(_ keys: ReceiptKeys, _ receipts: [IssuedReceipt]) -> ReceiptChain {
            ReceiptChain(
                receipts.map { ReceiptSource(name: "\($0.sequence)", bytes: $0.envelope) },
                keys: keys, now: ReceiptBench.now + 1, isWhole: true)
        }
        #expect(chain(keys, receipts).allProblems.isEmpty)
        #expect(
            chain(ReceiptKeys(old), receipts).checks.map { $0.problems.map(\.code) }
                == [[], [], [.otherKey]])
        #expect(
            chain(ReceiptKeys(keys.newest), receipts).checks.map { $0.problems.map(\.code) }
                == [[.otherKey], [.otherKey], []])
    }

    @Test(
        "a former key that is stolen later makes no receipt, and a chain that was changed is no chain"
    )
    func stolenFormerKey() throws {
        let (old, new) = (try SigningKey(), try SigningKey())
        let id = String(repeating: "ab", count: 16)
        let link = KeySuccession.make(
            meshID: id, sequence: 1, lastReceipt: 2, from: old, to: new)
        let keys = try #require(ReceiptKeys(old.publicKey, [link]))
        func codes(_ number: Int, _ key: SigningKey) throws -> [ReceiptProblem.Code] {
            let made = try Receipt.make(
                ReceiptBench.report, facts: VerifySamples.facts, sequence: number,
                previous: number == 1 ? nil : String(repeating: "0", count: 64), lifetime: 1000,
                now: ReceiptBench.now, key: key)
            return ReceiptVerifier.check(
                made.envelope, source: "file", keys: keys, now: ReceiptBench.now
            ).problems.map(\.code)
        }
        #expect(try codes(2, old) == [] && codes(3, new) == [])
        #expect(try codes(3, old) == [.otherKey])
        #expect(try codes(2, new) == [.otherKey])
        var longer = link
        longer.lastReceipt = 900
        #expect(ReceiptKeys(old.publicKey, [longer]) == nil)
        #expect(ReceiptKeys(new.publicKey, []) != nil)
        #expect(ReceiptKeys(try SigningKey().publicKey, [link]) == nil)
        #expect(
            ReceiptKeys.parse(keys.text.replacing("\"lastReceipt\":2", with: "\"lastReceipt\":3"))
                == nil)
    }
}
