import MeshController
import MeshModel
import NodeProtocol
import Synchronization
import Testing

@Suite("rotate replaces keys on all nodes, or on none")
struct RotateTests {
    static let names = ["db", "edge", "gpu"]

    private func interfaces(_ mesh: TestMesh, _ name: String) throws -> [String] {
        try #require(try mesh.machine(name).snapshot.document).interfaces.map(\.name)
    }

    @Test("every key is another afterwards, and only the new set is left")
    func replaces() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        let before = try mesh.machine("db").snapshot
        let report = try mesh.rotate()
        #expect(report.outcome == .rotated && report.isGood, "\(report.error ?? "")")
        #expect(report.steps.map(\.step) == RotationStep.forward)
        for name in Self.names {
            let machine = try mesh.machine(name).snapshot
            #expect(machine.generations == [1] && machine.sshGenerations == [1])
            #expect(try interfaces(mesh, name) == ["mp1-lab"])
            let interface = try #require(machine.document?.interfaces.first)
            #expect(interface.publicKey == machine.key(1))
            #expect(interface.peers.count == 2)
            #expect(interface.listenPort == 51821)
        }
        let after = try mesh.machine("db").snapshot
        let keys = [before, after].map {
            Set(($0.document?.interfaces ?? []).flatMap(\.peers).compactMap(\.presharedKey))
        }
        #expect(keys[0].count == 2 && keys[1].count == 2 && keys[0].isDisjoint(with: keys[1]))
        #expect(try mesh.state(writing: false).generations.wireguard == 1)
        #expect(try mesh.plan().hasChanges == false)
        #expect(try mesh.up().nodes.allSatisfy { $0.state == .unchanged })
    }

    @Test(
        "a node that cannot be reached keeps it from beginning; without it the others go on, and up brings it back"
    )
    func withoutANode() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        try mesh.machine("gpu").trouble(.unreachable)
        let error = #expect(throws: ControllerError.self) { try mesh.rotate() }
        #expect(error?.hint?.contains("--force-retire gpu") == true)
        #expect(try mesh.state(writing: false).openRotation == nil)

        let report = try mesh.rotate(without: ["gpu"])
        #expect(report.outcome == .rotated && report.without == ["gpu"], "\(report.error ?? "")")
        let peers = try mesh.machine("db").snapshot.document?.interfaces.first?.peers
        #expect(peers?.map(\.node) == ["edge"])

        try mesh.machine("gpu").trouble()
        #expect(try mesh.up().isGood)
        #expect(try interfaces(mesh, "gpu") == ["mp1-lab"])
        #expect(try mesh.machine("gpu").snapshot.generations == [1])
        #expect(
            try mesh.machine("db").snapshot.document?.interfaces.first?.peers.map(\.node)
                == ["edge", "gpu"])
    }

    @Test("one that stopped is open: up refuses, and it goes on, or back")
    func stops() throws {
        for isBack in [false, true] {
            let mesh = try TestMesh(Self.names)
            _ = try mesh.up()
            try mesh.machine("edge").trouble(.applyFails)
            let report = try mesh.rotate()
            #expect(report.outcome == .stopped && report.stoppedAt == .beside)
            #expect(report.error?.contains("edge: the kernel said no") == true)
            let refusal = #expect(throws: ControllerError.self) { try mesh.up() }
            #expect(refusal?.code == .rotating && refusal?.hint?.contains("--resume") == true)
            #expect(throws: ControllerError.self) { try mesh.rotate() }

            try mesh.machine("edge").trouble()
            let end = try mesh.rotate(isBack ? .abort : .resume)
            #expect(end.outcome == (isBack ? .takenBack : .rotated), "\(end.error ?? "")")
            for name in Self.names {
                #expect(try interfaces(mesh, name) == [isBack ? "mp0-lab" : "mp1-lab"])
                #expect(try mesh.machine(name).snapshot.generations == [isBack ? 0 : 1])
            }
            #expect(try mesh.up().isGood)
        }
    }

    @Test(
        "one that is named after it has made new keys is cut off by those, too",
        arguments: [
            RotationStep.beside, .move, .sweep,
        ])
    func withoutALateNode(step: RotationStep) throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        let edge = try mesh.machine("edge")
        let report =
            step == .sweep
            ? try Self.leaving(on: edge, mesh)
            : try mesh.rotate(
                progress: Breaker(at: step == .beside ? .prepare : .handshake) {
                    edge.trouble(.applyFails)
                })
        #expect(report.outcome == .stopped && report.stoppedAt == step, "\(report.error ?? "")")
        edge.trouble(.unreachable)
        let end = try mesh.rotate(.resume, without: ["edge"])
        #expect(end.outcome == .rotated && end.without == ["edge"], "\(end.error ?? "")")
        for name in Self.names where name != "edge" {
            let interfaces = try #require(mesh.machine(name).snapshot.document).interfaces
            #expect(interfaces.map(\.name) == ["mp1-lab"])
            #expect(!interfaces.flatMap(\.peers).map(\.node).contains("edge"), "\(name)")
        }
    }

    private static func leaving(on machine: FakeMachine, _ mesh: TestMesh) throws -> RotateReport {
        machine.state.withLock { $0.leftovers = ["interface mp0-lab"] }
        return try mesh.rotate()
    }

    @Test("what is left on a node is told, and keeps it open; there is no way back any more")
    func tellsWhatIsLeft() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        try mesh.machine("gpu").state.withLock { $0.leftovers = ["interface mp0-lab"] }
        let report = try mesh.rotate()
        #expect(report.outcome == .stopped && report.stoppedAt == .sweep)
        #expect(report.nodes.first { $0.node == "gpu" }?.left == ["interface mp0-lab"])
        #expect(throws: ControllerError.self) { try mesh.rotate(.abort) }
        try mesh.machine("gpu").state.withLock { $0.leftovers = [] }
        #expect(try mesh.rotate(.resume).outcome == .rotated)
    }

    @Test("ten rotations come back to the first set's number with other keys")
    func goesRound() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        for count in 1...10 {
            #expect(try mesh.rotate(.begin(wireguard: true, ssh: false, drain: 0)).isGood)
            #expect(try mesh.state(writing: false).generations.wireguard == count % 10)
        }
    }

    @Test("what is due is what is older than the topology allows")
    func due() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        let error = #expect(throws: ControllerError.self) {
            try mesh.rotate(.beginDue(drain: 0))
        }
        #expect(error?.message.contains("does not say how often") == true)
        mesh.topology.mesh.rotation = RotationSchedule("every 1h")
        let report = try mesh.rotate(.beginDue(drain: 0))
        #expect(report.outcome == .notDue && report.isGood && report.steps.isEmpty)
        #expect(try mesh.status().rotateEvery == 3600)
    }

    @Test("a node that joins later makes keys of the set in use, and keeps no others")
    func joinsLater() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        #expect(try mesh.rotate().isGood)
        mesh.add("new")
        #expect(try mesh.up().isGood)
        let machine = try mesh.machine("new").snapshot
        #expect(machine.generations == [1] && machine.sshGenerations == [1])
        #expect(try interfaces(mesh, "new") == ["mp1-lab"])
        #expect(machine.document?.interfaces.first?.peers.count == 3)
    }

    @Test("a stolen node's key counts for nothing when its set's number comes round again")
    func staysOut() throws {
        let mesh = try TestMesh(["db", "edge"])
        _ = try mesh.up()
        try mesh.machine("edge").trouble(.unreachable)
        for _ in 1...10 {
            #expect(
                try mesh.rotate(
                    .begin(wireguard: true, ssh: false, drain: 0), without: ["edge"]
                ).isGood)
        }
        let interface = try #require(try mesh.machine("db").snapshot.document?.interfaces.first)
        #expect(interface.generation == 0 && interface.peers.isEmpty)
    }

    @Test("down ends a rotation that is open, and a new mesh can be rotated")
    func downEndsIt() throws {
        let mesh = try TestMesh(Self.names)
        _ = try mesh.up()
        try mesh.machine("edge").trouble(.applyFails)
        #expect(try mesh.rotate().outcome == .stopped)
        try mesh.machine("edge").trouble()
        #expect(try mesh.down().isClean)
        #expect(try mesh.state(writing: false).openRotation == nil)
        #expect(try mesh.up().isGood)
        #expect(try mesh.rotate().isGood)
    }
}
