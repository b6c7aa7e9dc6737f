import MeshController
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@Suite("A node that is away finds its change with its peers")
struct MailTests {
    private let mesh: TestMesh

    /// `gpu` was switched off before `late` was added.
    init() throws {
        mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
        try mesh.machine("gpu").trouble(.unreachable)
    }

    private func outcome(_ report: UpReport, _ name: String) throws -> UpReport.Outcome {
        try #require(report.nodes.first { $0.node == name })
    }

    private func kept(_ name: String, for node: String) throws -> FakeMachine.Mail? {
        try mesh.machine(name).snapshot.mail[node]
    }

    private func open(
        _ mail: FakeMachine.Mail?, with key: SecretBytes?
    ) throws -> (content: MailContent, document: NodeDocument, keys: [PresharedKeyID: String]) {
        let sealed = try #require(mail).sealed
        let own = try #require(key)
        let opened = try #require(try MailSeal.open(sealed, with: own))
        let (content, start) = try opened.withBytes { bytes throws in
            let (content, start) = try MailContent.read(bytes)
            return (content, start)
        }
        var keys: [PresharedKeyID: String] = [:]
        for (index, id) in content.presharedKeys.enumerated() {
            let from = start + index * 32
            let key = try opened.withBytes { bytes throws in
                try SecretBytes(count: 32) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + 32]))
                }
            }
            keys[id] = SecretText.encode(key)
        }
        let payload = try #require(Base64.decode(content.document.payload))
        return (content, try Wire.decode(NodeDocument.self, from: payload), keys)
    }

    /// What a mailbox says once its addressee has asked.
    private func take(at name: String, inForce: UInt64? = nil) throws {
        try mesh.machine(name).state.withLock {
            $0.mail["gpu"]?.kept.takenAt = 50
            $0.mail["gpu"]?.kept.inForce = inForce
        }
    }

    @Test("its signed document and the keys that it needs wait there, sealed for it alone")
    func leaves() throws {
        mesh.add("late")
        let report = try mesh.up()
        let away = try outcome(report, "gpu")
        #expect(away.state == .away && away.mailboxes == ["db", "edge", "late"])
        #expect(away.error == "away; its change waits at db, edge, late")
        #expect(away.revision == 2 && !report.isGood && report.badNodes.map(\.node) == ["gpu"])
        let key = try mesh.machine("gpu").snapshot.mailKey
        for name in ["db", "edge", "late"] {
            let mail = try kept(name, for: "gpu")
            #expect(mail?.kept.revision == 2)
            let (content, document, keys) = try open(mail, with: key)
            #expect(content.node == "gpu" && document.node == "gpu" && document.revision == 2)
            #expect(content.meshID == document.meshID)
            #expect(document.interfaces[0].peers.map(\.node) == ["db", "edge", "late"])
            let late = try mesh.machine("late").snapshot
            let id = try #require(document.interfaces[0].peers[2].presharedKey)
            #expect(keys[id] == late.presharedKeys[id], "both ends have the same key")
            #expect(keys.count == 3)
            let payload = try #require(Base64.decode(content.document.payload))
            let signature = try #require(Base64.decode(content.document.signature))
            #expect(
                Signatures.verify(
                    signature, of: SignedDocument.context + payload,
                    by: try mesh.state(writing: true).identity.controllerKey))
            let others = try #require(try mesh.machine("edge").snapshot.mailKey)
            let sealed = try #require(mail).sealed
            #expect(try MailSeal.open(sealed, with: others) == nil)
        }
    }

    @Test("what waits already is left alone, and what the node has by then is right")
    func waits() throws {
        mesh.add("late")
        _ = try mesh.up()
        let again = try outcome(try mesh.up(), "gpu")
        #expect(
            again.state == .away && again.revision == 2
                && again.mailboxes == ["db", "edge", "late"])
        #expect(try kept("db", for: "gpu")?.kept.revision == 2)
        let (_, document, _) = try open(
            try kept("db", for: "gpu"), with: try mesh.machine("gpu").snapshot.mailKey)
        try mesh.machine("gpu").state.withLock {
            $0.document = document
            $0.revision = 2
            $0.highest = 2
            $0.troubles = []
        }
        let back = try mesh.up()
        #expect(back.isGood && back.nodes.allSatisfy { $0.state == .unchanged })
        mesh.topology.mesh.keepalive = 11
        mesh.topology.nodes[0].endpoint = nil
        #expect(try outcome(try mesh.up(), "gpu").revision == 3, "above what was mailed")
    }

    @Test("a peer that comes later gets it as well")
    func laterMailbox() throws {
        mesh.add("late")
        try mesh.machine("edge").trouble(.unreachable)
        let first = try mesh.up()
        #expect(try outcome(first, "gpu").mailboxes == ["db", "late"])
        #expect(try outcome(first, "edge").state == .away)
        try mesh.machine("edge").trouble()
        #expect(try outcome(try mesh.up(), "gpu").mailboxes == ["db", "edge", "late"])
        #expect(
            try kept("edge", for: "gpu")?.kept.revision == kept("db", for: "gpu")?.kept.revision)
    }

    @Test("a node that is away and has nothing to hear of is only away")
    func nothingNew() throws {
        let away = try outcome(try mesh.up(), "gpu")
        #expect(away.state == .failed && away.mailboxes.isEmpty)
        #expect(try kept("db", for: "gpu") == nil)
    }

    @Test("a node that is there and says no is not away")
    func refusing() throws {
        try mesh.machine("gpu").trouble(.noRoot)
        mesh.add("late")
        #expect(try outcome(try mesh.up(), "gpu").state == .failed)
        #expect(try kept("db", for: "gpu") == nil)
    }

    @Test("what was fetched is told, and not left again; what was taken back is left anew")
    func fetched() throws {
        mesh.add("late")
        _ = try mesh.up()
        try take(at: "edge", inForce: 2)
        // One mailbox alone is not believed.
        let doubted = try outcome(try mesh.up(), "gpu")
        #expect(doubted.state == .away && doubted.mailboxes == ["db", "late"])
        #expect(doubted.revision == 2)
        for name in ["db", "late"] { try take(at: name, inForce: 2) }
        let told = try outcome(try mesh.up(), "gpu")
        #expect(told.state == .away && told.mailboxes.isEmpty)
        #expect(told.error?.hasPrefix("away; it has fetched its change, revision 2, from ") == true)
        try take(at: "edge", inForce: 1)
        let again = try outcome(try mesh.up(), "gpu")
        #expect(again.state == .away && again.revision == 3)
        #expect(try kept("edge", for: "gpu")?.kept.revision == 3)
        #expect(try kept("edge", for: "gpu")?.kept.takenAt == nil)
    }

    @Test("a mailbox that claims to have it all keeps nothing from the others")
    func liar() throws {
        mesh.add("late")
        for name in ["db", "late"] { try mesh.machine(name).trouble(.noMail) }
        #expect(try outcome(try mesh.up(), "gpu").mailboxes == ["edge"])
        try take(at: "edge", inForce: 2)
        for name in ["db", "late"] { try mesh.machine(name).trouble() }
        let anew = try outcome(try mesh.up(), "gpu")
        #expect(anew.state == .away && anew.mailboxes == ["db", "edge", "late"])
        #expect(try kept("db", for: "gpu")?.kept.revision == 3)
    }

    @Test("a number near the greatest, which a mailbox claims to have seen, is not counted on from")
    func greatest() throws {
        mesh.add("late")
        _ = try mesh.up()
        for lie: UInt64 in [UInt64.max, UInt64.max - 1, 1 << 40] {
            try mesh.machine("edge").state.withLock { $0.mail["gpu"]?.kept.revision = lie }
            mesh.add("later-\(lie % 7)")
            let report = try outcome(try mesh.up(), "gpu")
            #expect(report.state == .away && report.revision < 20)
        }
    }

    @Test("where no peer would keep it, that is said")
    func noMailbox() throws {
        mesh.add("late")
        for name in ["db", "edge", "late"] { try mesh.machine(name).trouble(.noMail) }
        let report = try outcome(try mesh.up(), "gpu")
        #expect(report.state == .failed)
        #expect(report.error?.contains("no peer of it would keep its change") == true)
        // Nothing was noted as left, so the next run tries again.
        for name in ["db", "edge", "late"] { try mesh.machine(name).trouble() }
        #expect(try outcome(try mesh.up(), "gpu").state == .away)
    }

    @Test("a node that has told no mail key is told of by up alone")
    func noKey() throws {
        try mesh.machine("gpu").state.withLock {
            $0.troubles = []
            $0.mailKey = nil
        }
        _ = try mesh.up()
        try mesh.machine("gpu").trouble(.unreachable)
        mesh.add("late")
        let report = try outcome(try mesh.up(), "gpu")
        #expect(report.state == .failed && report.error?.contains("told no key") == true)
    }

    @Test("a change that was taken back elsewhere is not sent after the others")
    func rolledBack() throws {
        mesh.add("late")
        try mesh.machine("db").trouble(.cutOffByCommit)
        #expect(try outcome(try mesh.up(), "gpu").state == .failed)
        #expect(try kept("edge", for: "gpu") == nil)
    }

    @Test("a run that is about the node alone calls on its peers for this")
    func carriers() throws {
        mesh.topology.nodes.removeAll { $0.name == "edge" }
        let report = try UpRun(
            mesh.topology, state: mesh.state(), carrier: mesh.carrier, program: TestMesh.program,
            settings: mesh.settings, progress: NoProgress(), only: ["gpu"]
        ).run()
        #expect(report.nodes.map(\.state) == [.away] && report.nodes[0].mailboxes == ["db"])
        let (_, document, _) = try open(
            try kept("db", for: "gpu"), with: try mesh.machine("gpu").snapshot.mailKey)
        #expect(document.interfaces[0].peers.map(\.node) == ["db"])
    }

    @Test("status says what waits and what was fetched, by those that keep it")
    func status() throws {
        mesh.add("late")
        _ = try mesh.up()
        let waiting = try #require(try mesh.status().nodes.first { $0.node == "gpu" })
        #expect(waiting.error != nil)
        #expect(waiting.mail.map(\.mailbox) == ["db", "edge", "late"])
        #expect(waiting.mail.allSatisfy { $0.kept.revision == 2 && $0.kept.takenAt == nil })
        try take(at: "db", inForce: 2)
        let fetched = try #require(try mesh.status().nodes.first { $0.node == "gpu" })
        #expect(fetched.mail[0].kept.takenAt == 50 && fetched.mail[0].kept.inForce == 2)
        try mesh.machine("gpu").trouble()
        #expect(try mesh.status().nodes.first { $0.node == "gpu" }?.mail.isEmpty == true)
    }

    @Test("a rotation without the node has its peers forget it, and later mail is for the new set")
    func rotation() throws {
        mesh.add("late")
        _ = try mesh.up()
        #expect(try mesh.rotate(without: ["gpu"]).isGood)
        for name in ["db", "edge", "late"] {
            let mail = try mesh.machine(name).snapshot.document?.mail
            #expect(mail?.peers.contains { $0.node == "gpu" } == false)
        }
        let report = try outcome(try mesh.up(), "gpu")
        #expect(report.state == .failed, "no key of it is known that anything could be sealed for")
        #expect(try kept("db", for: "gpu")?.kept.revision == 2, "nothing new was left")
    }
}
