import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Synchronization
import Testing

@Suite("plan, status and down tell what is so")
struct LookTests {
    @Test("a plan for bare nodes has every step, and makes nothing anywhere")
    func plansBareNodes() throws {
        let mesh = try TestMesh(["db", "gpu"])
        let report = try mesh.plan()
        #expect(report.hasChanges && report.isComplete)
        let first: [Change] = [
            .installBinary(version: ProgramVersion.current), .enroll, .startAgent,
        ]
        for node in report.nodes {
            #expect(node.steps.prefix(3).map(\.change) == first)
            #expect(node.steps.contains { if case .addPeer = $0.change { true } else { false } })
        }
        #expect(!Files.exists(mesh.root))
        #expect(try mesh.machine("db").snapshot.uploads == 0)
    }

    @Test("a plan after up has nothing to do, and leaves the state as it was")
    func plansNothing() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        let before = try Files.read("\(mesh.root)/state/state.db", limit: 1 << 24)
        let report = try mesh.plan()
        #expect(!report.hasChanges && report.isComplete)
        #expect(try Files.read("\(mesh.root)/state/state.db", limit: 1 << 24) == before)
    }

    @Test("a plan for a new node shows its peers on the others")
    func plansANewNode() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        mesh.add("new")
        let report = try mesh.plan()
        #expect(report.nodes.allSatisfy { !$0.steps.isEmpty })
        #expect(report.waiting.isEmpty)
    }

    @Test("a plan without the state of an existing mesh says so")
    func plansNothingBlindly() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        try Files.removeTree("\(mesh.root)/state")
        let report = try mesh.plan()
        #expect(!report.isComplete)
        #expect(report.nodes[0].fix?.contains("--state") == true)
    }

    @Test("a plan as JSON names every part of a step")
    func plansInNamedParts() throws {
        let route = ObservedRoute(
            destination: try #require(IPPrefix("10.77.0.2/32")), kind: .unicast,
            interface: "mp0-lab", source: nil, metric: 0)
        let text = String(
            decoding: try Wire.encode(PlanStep(.setRoute(route: route), reason: "no such route")),
            as: UTF8.self)
        #expect(text.contains(#""setRoute":{"route":{"#))
        #expect(!text.contains("_0"))
    }

    @Test("status shows who is alive, by the node's own clock")
    func showsAlive() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        for name in ["db", "gpu"] {
            try mesh.machine(name).state.withLock { $0.clockSkew = 86_400 }
        }
        let report = try mesh.status()
        #expect(report.isComplete && !report.hasDrift)
        #expect(report.peerings.map(\.state) == [.alive])
        #expect(report.peerings[0].ends.map(\.node) == ["db", "gpu"])
        #expect(report.peerings[0].ends.allSatisfy { $0.presharedKey })
    }

    @Test("a peering is judged by both its ends")
    func judgesPeerings() throws {
        let mesh = try TestMesh(["db", "gpu"], unmanaged: ["phone"])
        _ = try mesh.up()
        func state(_ index: Int) throws -> StatusReport.PeeringStatus.State {
            try mesh.status().peerings[index].state
        }
        #expect(try state(1) == .waiting)
        for name in ["db", "gpu"] {
            try mesh.machine(name).state.withLock { $0.handshakeAge = nil }
        }
        #expect(try state(0) == .idle)
        // One end alone still hears the other; but nothing comes back from an end that lost its peer.
        try mesh.machine("db").state.withLock { $0.handshakeAge = 1 }
        #expect(try state(0) == .alive)
        try mesh.machine("gpu").state.withLock { $0.document?.interfaces[0].peers = [] }
        #expect(try state(0) == .missing)
        try mesh.machine("gpu").trouble(.unreachable)
        #expect(try state(0) == .alive)
        try mesh.machine("db").trouble(.unreachable)
        #expect(try state(0) == .unknown)
    }

    @Test("status keeps its connections, and makes new ones where the agent has gone")
    func reconnects() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        let run = StatusRun(
            mesh.topology, state: try mesh.state(writing: false), carrier: mesh.carrier,
            settings: mesh.settings, progress: NoProgress())
        #expect(try run.look().isComplete)
        let connections = try mesh.machine("db").snapshot.connections
        #expect(try run.look().isComplete)
        #expect(try mesh.machine("db").snapshot.connections == connections)
        try mesh.machine("db").trouble(.agentDead)
        #expect(try !run.look().isComplete)
        try mesh.machine("db").trouble()
        #expect(try run.look().isComplete)
    }

    @Test("drift is shown")
    func showsDrift() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        try mesh.machine("db").state.withLock {
            $0.drift = [PlanStep(.linkUp(interface: "mp0-lab"), reason: "it is down")]
        }
        #expect(try mesh.status().hasDrift)
    }

    @Test("down clears every node and forgets it; up gives it its old address and other keys")
    func clears() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        let before = try mesh.machine("gpu").snapshot
        #expect(try mesh.down().isClean)
        #expect(try mesh.machine("gpu").snapshot.identity == nil)
        #expect(try mesh.state(writing: false).nodeKeys(of: mesh.topology, generation: 0).isEmpty)
        #expect(try mesh.up().isGood)
        let after = try mesh.machine("gpu").snapshot
        #expect(before.document?.interfaces[0].addresses == after.document?.interfaces[0].addresses)
        #expect(Set(before.presharedKeys.values).isDisjoint(with: after.presharedKeys.values))
    }

    @Test("down also clears a node that has left the topology, and then knows it no more")
    func clearsFormerNodes() throws {
        let mesh = try TestMesh(["db", "gpu"])
        mesh.topology.nodes[1].hostKey = "SHA256:abc"
        _ = try mesh.up()
        mesh.topology.nodes.removeLast()
        let former = try mesh.state(writing: false).formerNodes(besides: mesh.topology)
        #expect(former.map(\.name) == ["gpu"])
        #expect(former.first?.hostKey == "SHA256:abc")
        #expect(try mesh.down().nodes.map(\.node) == ["db", "gpu"])
        #expect(try mesh.state(writing: false).formerNodes(besides: mesh.topology).isEmpty)
        #expect(try mesh.machine("gpu").snapshot.identity == nil)
    }

    @Test("plan, up and status name a node that has left the topology, and its peers drop it")
    func namesFormerNodes() throws {
        let mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
        #expect(try mesh.plan().former.isEmpty)
        mesh.topology.nodes.removeLast()
        let plan = try mesh.plan()
        #expect(plan.former.map(\.node) == ["gpu"])
        #expect(plan.former[0].fix.contains("meshproof down --node gpu"))
        #expect(plan.hasChanges)
        let up = try mesh.up()
        #expect(up.isGood && up.former == plan.former)
        let peers = try mesh.machine("db").snapshot.document?.interfaces[0].peers
        #expect(peers?.map(\.node) == ["edge"])
        #expect(try mesh.status().former == plan.former)
        #expect(try mesh.down(only: ["gpu"]).isClean)
        #expect(try mesh.machine("gpu").snapshot.identity == nil)
        #expect(try mesh.machine("db").snapshot.identity != nil)
        #expect(try mesh.plan().former.isEmpty)
    }

    @Test("a node that is no longer managed still runs the mesh, and is named")
    func namesUnmanagedNodes() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        mesh.topology.nodes[1] = Node(name: "gpu", managed: false)
        #expect(try mesh.plan().former.map(\.node) == ["gpu"])
    }

    @Test("down of one node leaves the others alone, and an unknown name is refused")
    func clearsOne() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        #expect(throws: ControllerError.self) { try mesh.down(only: ["gpo"]) }
        #expect(try mesh.machine("gpu").snapshot.identity != nil)
        #expect(try mesh.down(only: ["gpu"]).nodes.map(\.node) == ["gpu"])
        #expect(try mesh.machine("db").snapshot.identity != nil)
    }

    @Test("a node whose machine is gone is forgotten only where that was asked for")
    func forgetsLostNodes() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        mesh.topology.nodes.removeLast()
        try mesh.machine("gpu").trouble(.unreachable)
        #expect(try !mesh.down(only: ["gpu"]).isDone)
        #expect(try mesh.plan().former.map(\.node) == ["gpu"])
        let report = try mesh.down(only: ["gpu"], forgetsLost: true)
        #expect(report.isDone && !report.isClean)
        #expect(report.nodes[0].forgotten)
        #expect(try mesh.plan().former.isEmpty)
    }

    @Test("a node that answers is never forgotten without being clean")
    func forgetsNoLiveNode() throws {
        let mesh = try TestMesh(["db", "gpu"])
        _ = try mesh.up()
        try mesh.machine("gpu").trouble(.leftOver)
        let report = try mesh.down(only: ["gpu"], forgetsLost: true)
        #expect(!report.isDone && !report.nodes[0].forgotten)
    }

    @Test("down without an agent leaves what another controller set up")
    func leavesOthersAlone() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        try mesh.machine("db").trouble(.agentDead)
        try Files.removeTree("\(mesh.root)/state")
        try Files.removeTree("\(mesh.root)/mesh.kek")
        let report = try mesh.down()
        #expect(!report.isDone)
        #expect(report.nodes[0].error?.contains("another controller") == true)
        #expect(try mesh.machine("db").snapshot.identity != nil)
    }

    @Test("down without an agent lets the program clean up")
    func leavesWithoutAgent() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        try mesh.machine("db").trouble(.agentDead)
        #expect(try mesh.down().isClean)
        #expect(try mesh.machine("db").snapshot.identity == nil)
    }

    @Test("what is left is named, and the node is not forgotten")
    func namesWhatIsLeft() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.up()
        try mesh.machine("db").trouble(.leftOver)
        let report = try mesh.down()
        #expect(!report.isClean)
        #expect(report.nodes[0].left == ["interface mp0-lab"])
        #expect(try !mesh.state(writing: false).nodeKeys(of: mesh.topology, generation: 0).isEmpty)
    }
}
