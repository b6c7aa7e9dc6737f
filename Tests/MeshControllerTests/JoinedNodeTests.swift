import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@Suite("A node that no command logs in to")
struct JoinedNodeTests {
    private let mesh: TestMesh
    private let node = Node(name: "laptop", connect: .join)
    private let mailKey: SecretBytes

    init() throws {
        mesh = try TestMesh(["db", "edge"])
        mesh.topology.nodes.append(node)
        mailKey = try WireGuardKeys.generate()
    }

    private func laptop(_ report: UpReport) throws -> UpReport.Outcome {
        try #require(report.nodes.first { $0.node == "laptop" })
    }

    /// It joins, by whatever way, and tells its keys.
    private func join() throws {
        let state = try mesh.state()
        let key = try WireGuardKeys.publicKey(of: try WireGuardKeys.generate())
        try state.record(
            NodeHello(
                version: ProtocolVersion.current, program: "test", meshID: state.identity.meshID,
                node: "laptop", keys: [0: key], sshKeys: [0: SSHNodeKeys(client: key, host: key)],
                mailKeys: [0: try WireGuardKeys.publicKey(of: mailKey)], revision: 0,
                highestRevision: 0, unconfirmed: nil, rolledBack: nil), of: node)
    }

    @Test("before it has joined it is waited for, which is no failure")
    func waits() throws {
        let report = try mesh.up()
        #expect(report.isGood)
        let outcome = try laptop(report)
        #expect(outcome.state == .awaitsJoin && outcome.fix == "meshproof peer invite laptop")
        #expect(report.waiting.contains("db-laptop: laptop has no key yet"))
        let plan = try mesh.plan()
        #expect(plan.isComplete && !plan.hasChanges)
        #expect(plan.nodes.last?.note?.contains("meshproof peer invite laptop") == true)
        #expect(plan.waiting.contains("db-laptop: laptop has no key yet"))
        let status = try mesh.status()
        #expect(status.isComplete && status.nodes.last?.joined == true)
        #expect(try mesh.rotate().outcome == .rotated, "it takes no part yet")
        #expect(try mesh.down().isDone)
    }

    @Test("then its changes are mailed, which is as it should be, until it has them")
    func mailed() throws {
        _ = try mesh.up()
        try join()
        #expect(try mesh.plan().nodes.last?.documentOnly == true)
        let report = try mesh.up()
        #expect(report.isGood)
        let outcome = try laptop(report)
        #expect(outcome.state == .mailed && outcome.mailboxes == ["db", "edge"])
        let mail = try #require(try mesh.machine("db").snapshot.mail["laptop"])
        #expect(try MailSeal.open(mail.sealed, with: mailKey) != nil)
        #expect(mail.kept.revision == outcome.revision)
        #expect(try mesh.plan().hasChanges == false)
        let again = try laptop(try mesh.up())
        #expect(again.state == .mailed && again.revision == outcome.revision)
        for name in ["db", "edge"] {
            try mesh.machine(name).state.withLock { $0.mail["laptop"]?.kept.takenAt = 9 }
        }
        let taken = try laptop(try mesh.up())
        #expect(taken.state == .unchanged && taken.revision == outcome.revision)
        #expect(taken.error == nil && taken.mailboxes.isEmpty)
        let status = try mesh.status()
        #expect(status.isComplete && status.nodes.last?.mail.count == 2)
    }

    @Test("where nobody can keep its change, that is a failure")
    func noMailbox() throws {
        _ = try mesh.up()
        try join()
        for name in ["db", "edge"] { try mesh.machine(name).trouble(.noMail) }
        #expect(try laptop(try mesh.up()).state == .failed)
    }

    @Test("what it was handed when it joined is not mailed again")
    func handed() throws {
        _ = try mesh.up()
        try join()
        _ = try mesh.up()
        let mail = try #require(try mesh.machine("db").snapshot.mail["laptop"])
        let opened = try #require(try MailSeal.open(mail.sealed, with: mailKey))
        let content = try opened.withBytes { bytes throws in try MailContent.read(bytes).content }
        let payload = try #require(Base64.decode(content.document.payload))
        let document = try Wire.decode(NodeDocument.self, from: payload)
        try mesh.state().noteHanded(document)
        for name in ["db", "edge"] { try mesh.machine(name).state.withLock { $0.mail = [:] } }
        #expect(try laptop(try mesh.up()).state == .unchanged)
        #expect(try mesh.machine("db").snapshot.mail.isEmpty)
    }

    @Test("it cannot be taken down from here, only forgotten")
    func down() throws {
        _ = try mesh.up()
        try join()
        let report = try mesh.down(only: ["laptop"])
        #expect(!report.isDone)
        #expect(report.nodes[0].fix?.contains("node leave --mesh lab") == true)
        #expect(try mesh.down(only: ["laptop"], forgetsLost: true).nodes[0].forgotten)
        #expect(try laptop(try mesh.up()).state == .awaitsJoin)
    }

    @Test("one that left the topology is named until it is forgotten")
    func former() throws {
        _ = try mesh.up()
        try join()
        mesh.topology.nodes.removeLast()
        let report = try mesh.up()
        #expect(report.former.map(\.node) == ["laptop"])
        #expect(try mesh.down(only: ["laptop"], forgetsLost: true).isDone)
        #expect(try mesh.up().former.isEmpty)
    }

    @Test("a rotation that goes on without it has it join again")
    func rotation() throws {
        _ = try mesh.up()
        try join()
        _ = try mesh.up()
        #expect(try mesh.rotate(without: ["laptop"]).outcome == .rotated)
        #expect(try laptop(try mesh.up()).state == .awaitsJoin)
        let peers = try mesh.machine("db").snapshot.document?.interfaces.flatMap(\.peers)
        #expect(peers?.map(\.node) == ["edge"])
    }
}
