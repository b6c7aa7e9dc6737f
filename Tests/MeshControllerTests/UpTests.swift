import MeshController
import MeshModel
import NodeProtocol
import Synchronization
import Testing

@Suite("up brings nodes to what the topology says")
struct UpTests {
    static let names = ["db", "edge", "gpu"]

    private func states(_ report: UpReport) -> [UpReport.State] { report.nodes.map(\.state) }

    private func peers(_ mesh: TestMesh, _ name: String) throws -> [DesiredPeer] {
        try #require(try mesh.machine(name).snapshot.document?.interfaces.first).peers
    }

    @Test("a mesh of any size stands after one run", arguments: [1, 2, 5, 40])
    func standsAfterOneRun(_ count: Int) throws {
        let names = (0..<count).map { "n\($0)" }
        let mesh = try TestMesh(names)
        let report = try mesh.up()
        #expect(report.isGood)
        #expect(report.nodes.map(\.node) == names)
        #expect(report.nodes.allSatisfy { $0.state == .changed && $0.revision == 1 })
        #expect(report.peerings == count * (count - 1) / 2)
        #expect(report.handshakes == report.peerings)
        for name in names {
            #expect(try mesh.machine(name).snapshot.uploads == 1)
            #expect(try mesh.machine(name).snapshot.presharedKeys.count == count - 1)
            #expect(try peers(mesh, name).count == count - 1)
        }
    }

    @Test("both ends of a pair get the same preshared key, and no two pairs do")
    func sharesKeysByPair() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        let keys = try Self.names.map { try mesh.machine($0).snapshot.presharedKeys }
        #expect(Set(keys.flatMap(\.keys)).count == 3)
        #expect(Set(keys.flatMap(\.values)).count == 3)
    }

    @Test("the second run changes nothing")
    func secondRunIsQuiet() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        let report = try mesh.up()
        #expect(report.nodes.allSatisfy { $0.state == .unchanged && $0.steps.isEmpty })
        for name in Self.names { #expect(try mesh.machine(name).snapshot.changes == 1) }
    }

    @Test("handshakes of a mesh that is not changed are counted, not assumed")
    func countsHandshakes() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        for name in Self.names {
            try mesh.machine(name).state.withLock { $0.handshakeAge = 1000 }
        }
        let report = try mesh.up()
        #expect(report.handshakes == 0)
        #expect(report.peerings == 3)
    }

    @Test("one end of each peering greets: the lower name, unless it cannot know where to")
    func oneEndGreets() throws {
        let mesh = try TestMesh(["db", "edge", "gpu", "nat"])
        mesh.topology.nodes[0].endpoint = nil
        mesh.topology.nodes[3].endpoint = nil
        _ = try mesh.up()
        let greeted = try mesh.topology.nodes.map { try mesh.machine($0.name).snapshot.greeted }
        // db has no endpoint, but calls others; nobody can call db or nat, nor can these two call each other.
        #expect(greeted == [["edge", "gpu"], ["gpu"], [], ["edge", "gpu"]])
    }

    @Test("who is new and greets by itself is told when all others have been")
    func newGreetersLast() throws {
        let mesh = try TestMesh(["db", "edge", "gpu", "nat"])
        for number in [0, 3] { mesh.topology.nodes[number].endpoint = nil }
        let first = ProgressLog()
        _ = try mesh.up(first)
        let turns = first.applying.withLock { $0 }
        #expect(turns.count == 4)
        #expect(Set(turns.prefix(2)) == ["edge", "gpu"] && Set(turns.suffix(2)) == ["db", "nat"])

        // The way to those that were there may be the mesh: they are told together.
        mesh.add("all")
        mesh.topology.nodes[4].endpoint = nil
        mesh.topology.nodes.swapAt(0, 4)
        let second = ProgressLog()
        _ = try mesh.up(second)
        #expect(second.applying.withLock { $0 }.last == "all")
    }

    @Test("a node that cannot be reached is named, and the others stand")
    func namesTheUnreachable() throws {
        let mesh = try TestMesh(Self.names)
        try mesh.machine("gpu").trouble(.unreachable)
        let report = try mesh.up()
        #expect(!report.isGood)
        #expect(states(report) == [.changed, .changed, .failed])
        #expect(report.nodes[2].error?.contains("no route") == true)
        #expect(try peers(mesh, "db").map(\.node) == ["edge"])

        try mesh.machine("gpu").trouble()
        #expect(try mesh.up().isGood)
        #expect(try peers(mesh, "db").map(\.node) == ["edge", "gpu"])
    }

    @Test("a commit whose answer is lost is confirmed all the same")
    func survivesALostAnswer() throws {
        let mesh = try TestMesh(Self.names)
        try mesh.machine("edge").trouble(.commitAnswerLost)
        #expect(try mesh.up().isGood)
        #expect(try mesh.machine("edge").snapshot.revision == 1)
        #expect(try mesh.machine("edge").snapshot.committed == nil)
    }

    @Test("one node that is cut off takes the whole change back")
    func takesBackEverywhere() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        mesh.add("new")
        try mesh.machine("edge").trouble(.cutOffByCommit)
        let report = try mesh.up()
        #expect(!report.isGood)
        #expect(report.nodes.allSatisfy { $0.state == .rolledBack })
        #expect(report.nodes.map(\.revision) == [1, 1, 1, 0])
        for name in Self.names {
            let machine = try mesh.machine(name).snapshot
            #expect(machine.committed == nil)
            #expect(machine.revision == 1)
            #expect(try peers(mesh, name).count == 2)
        }

        try mesh.machine("edge").trouble()
        #expect(try mesh.up().isGood)
    }

    @Test("a node that takes the change back by itself takes it back for all")
    func hearsOfOwnRollback() throws {
        let mesh = try TestMesh(Self.names)
        try mesh.machine("db").trouble(.tooQuick)
        #expect(try mesh.up().nodes.allSatisfy { $0.state == .rolledBack })
        #expect(try mesh.machine("gpu").snapshot.document == nil)
    }

    @Test("a kernel that refuses concerns its own node only")
    func refusalStaysLocal() throws {
        let mesh = try TestMesh(Self.names)
        try mesh.machine("db").trouble(.applyFails)
        let report = try mesh.up()
        #expect(states(report) == [.failed, .changed, .changed])
        #expect(report.nodes[0].error == "the kernel said no")
    }

    @Test("an agent that was killed is started again")
    func startsADeadAgent() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        try mesh.machine("db").trouble(.agentDead)
        let report = try mesh.up()
        #expect(states(report) == [.changed, .unchanged, .unchanged])
        #expect(report.nodes[0].steps.map(\.change) == [.startAgent])
    }

    @Test("another controller's node is left alone", arguments: [true, false])
    func refusesAnotherControllers(_ knowsMesh: Bool) throws {
        let mesh = try TestMesh(Self.names)
        let other = try TestMesh(["db"])
        _ = try other.up()
        let taken = try other.machine("db").snapshot
        if knowsMesh { _ = try mesh.up() }
        try mesh.machine("db").state.withLock { $0 = taken }
        let report = try mesh.up()
        #expect(report.nodes[0].state == .failed)
        #expect(report.nodes[0].error?.contains("another controller") == true)
        #expect(try mesh.down().nodes[0].error?.contains("another controller") == true)
        #expect(try mesh.machine("db").snapshot.document == taken.document)
    }

    @Test("two nodes that lead to one machine are told apart")
    func refusesOneMachineForTwo() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        let machine = try mesh.machine("db")
        mesh.topology.nodes.append(TestMesh.node("gpu"))
        let report = try UpRun(
            mesh.topology, state: mesh.state(),
            carrier: FakeCarrier(machines: ["db": machine, "gpu": machine]),
            program: TestMesh.program, settings: mesh.settings, progress: NoProgress()
        ).run()
        #expect(states(report) == [.unchanged, .failed])
        #expect(report.nodes[1].error?.contains("is node db of this mesh") == true)
    }

    @Test("a login without root's rights is refused with a way out")
    func wantsRoot() throws {
        let mesh = try TestMesh(["db"])
        try mesh.machine("db").trouble(.noRoot)
        let report = try mesh.up()
        #expect(report.nodes[0].error?.contains("cannot act as root") == true)
        #expect(report.nodes[0].fix?.contains("sudo") == true)
    }

    @Test("a revision is above what the node has taken, also where the state knows less")
    func revisionsGrow() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        try mesh.machine("gpu").state.withLock { $0.highest = 41 }
        mesh.topology.mesh.mtu = 1300
        #expect(try mesh.up().nodes.map(\.revision) == [2, 2, 42])
    }

    @Test("a node that is added leaves every other pair's key and every address alone")
    func addingDisturbsNobody() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        let before = try Self.names.map { try mesh.machine($0).snapshot.document }
        mesh.topology.nodes.insert(TestMesh.node("alpha"), at: 0)
        mesh.addMachine("alpha")
        #expect(try mesh.up().isGood)
        for (name, old) in zip(Self.names, before) {
            let old = try #require(old?.interfaces.first)
            let new = try #require(try mesh.machine(name).snapshot.document?.interfaces.first)
            #expect(old.addresses == new.addresses)
            #expect(new.peers.count == 3)
            #expect(old.peers.allSatisfy { new.peers.contains($0) })
        }
    }

    @Test("an unmanaged node without a key is waited for, and nobody's peer")
    func waitsForKeys() throws {
        let mesh = try TestMesh(["db"], unmanaged: ["phone"])
        #expect(try mesh.up().waiting == ["db-phone: phone has no key yet"])
        #expect(try peers(mesh, "db").isEmpty)

        mesh.topology.nodes[1].publicKey = PublicKey(bytes: [UInt8](repeating: 9, count: 32))
        #expect(try mesh.up().waiting.isEmpty)
        let peer = try #require(try peers(mesh, "db").first)
        #expect(peer.node == "phone")
        #expect(peer.presharedKey == nil)
    }

    @Test("every node ends on one line of progress, in the topology's order")
    func endsInOrder() throws {
        let mesh = try TestMesh(["n3", "n1", "n2"])
        let log = ProgressLog()
        _ = try mesh.up(log)
        #expect(log.finished.withLock { $0 } == ["n3", "n1", "n2"])
    }

    @Test("a report never holds a preshared key")
    func reportsNoSecret() throws {
        let mesh = try TestMesh(Self.names)
        let report = try mesh.up()
        let text =
            String(decoding: try Wire.encode(report), as: UTF8.self)
            + "\(report) \(try mesh.plan()) \(try mesh.status()) \(try mesh.state())"
        let keys = try mesh.machine("db").snapshot.presharedKeys.values
        #expect(keys.count == 2)
        #expect(!keys.contains { text.contains($0) })
    }
}

/// Notes who was through, in order.
private final class ProgressLog: Progress {
    let finished = Mutex<[String]>([])
    /// Who was told to apply its document, in order.
    let applying = Mutex<[String]>([])
    func working(_ node: String, _ phase: String) {
        if phase == "applying" { applying.withLock { $0.append(node) } }
    }
    func finished(_ node: String, _ text: String, good: Bool) {
        finished.withLock { $0.append(node) }
    }
    func note(_ text: String) {}
}
