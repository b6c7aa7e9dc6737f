import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization
import Testing

@testable import MeshController

@Suite("A node that joins is brought up over the connections that it offers", .serialized)
struct JoinUpTests {
    /// A mesh of one node that is logged in to and one that joins, with a machine for each.
    private func joining() throws -> (TestMesh, FakeMachine) {
        let mesh = try TestMesh(["hub"])
        mesh.topology.nodes.append(Node(name: "nas", connect: .join))
        mesh.addMachine("nas")
        let machine = try mesh.machine("nas")
        // It brings its own program.
        machine.state.withLock { $0.program = "another build" }
        return (mesh, machine)
    }

    private func up(_ rig: JoinRig) throws -> UpReport {
        try UpRun(
            rig.mesh.topology, state: rig.state,
            carrier: JoinCarrier(node: "nas", gate: rig.gate, others: rig.mesh.carrier),
            program: TestMesh.program, settings: rig.mesh.settings, progress: NoProgress(),
            only: JoinInvite.concerned("nas", in: rig.mesh.topology), present: ["nas"]
        ).run()
    }

    private func joiner(_ rig: JoinRig, _ machine: FakeMachine) throws -> FakeJoiner {
        guard case .welcome(let id, let key) = try rig.enter(rig.token),
            let id = Base64.decode(id), let key = try SecretText.decode(key, count: 32)
        else { throw ControllerError(.enroll, "not let in") }
        return try FakeJoiner(machine, port: rig.port, id: id, key: key)
    }

    @Test(
        "it is enrolled, gets its document and preshared keys, and is confirmed over a new connection"
    )
    func joins() throws {
        let (mesh, machine) = try joining()
        let rig = try JoinRig(mesh)
        let joiner = try joiner(rig, machine)
        defer { joiner.stop() }
        let report = try up(rig)
        #expect(report.nodes.map(\.node) == ["hub", "nas"])
        #expect(report.nodes.allSatisfy { $0.state == .changed }, "\(report.nodes)")
        let nas = machine.snapshot
        #expect(nas.revision == 1 && nas.presharedKeys.count == 1 && nas.uploads == 0)
        #expect(nas.identity?.controllerKey == rig.state.identity.controllerKey.description)
        #expect(
            try mesh.machine("hub").snapshot.document?.interfaces[0].peers.map(\.node) == ["nas"])
    }

    @Test("a change that cuts it off is taken back, as for any node")
    func cutOff() throws {
        let (mesh, machine) = try joining()
        let rig = try JoinRig(mesh)
        let joiner = try joiner(rig, machine)
        defer { joiner.stop() }
        machine.trouble(.cutOffByCommit)
        let report = try up(rig)
        #expect(report.nodes.first { $0.node == "nas" }?.state == .rolledBack)
        #expect(machine.snapshot.revision == 0)
    }

    @Test("without a node that offers connections nothing is changed on it, and it is said")
    func nobody() throws {
        let (mesh, _) = try joining()
        let rig = try JoinRig(mesh)
        mesh.settings.timeout = 0.3
        let report = try up(rig)
        let nas = report.nodes.first { $0.node == "nas" }
        #expect(nas?.state == .failed)
        #expect(nas?.error?.contains("no new connection") == true, "\(nas?.error ?? "")")
    }

    @Test("a connection counts as new only where it was made after it was asked for")
    func fresh() throws {
        let (mesh, _) = try joining()
        let rig = try JoinRig(mesh)
        guard case .welcome(let id, let key) = try rig.enter(rig.token),
            let id = Base64.decode(id), let key = try SecretText.decode(key, count: 32)
        else { throw ControllerError(.enroll, "not let in") }
        let early = try rig.dial(id, key)
        Clocks.sleep(0.1)
        #expect(throws: ControllerError.self) {
            try rig.gate.take(since: Clocks.monotonic(), timeout: 0.2)
        }
        let moment = Clocks.monotonic()
        let late = try rig.dial(id, key)
        #expect(try rig.gate.take(since: moment, timeout: 5).since >= moment)
        // And what has lain there for long is not handed out at all: the node has taken it back.
        Clocks.sleep(2.6)
        #expect(throws: ControllerError.self) { try rig.gate.take(since: 0, timeout: 0.1) }
        early.close()
        late.close()
    }

    @Test("over such a connection no command of the controller's runs")
    func noShell() throws {
        let (mesh, machine) = try joining()
        let rig = try JoinRig(mesh)
        let joiner = try joiner(rig, machine)
        defer { joiner.stop() }
        let node = try #require(mesh.topology.node("nas"))
        let session = try JoinCarrier(node: "nas", gate: rig.gate, others: mesh.carrier)
            .connect(to: node, timeout: 5)
        #expect(throws: ControllerError.self) { try session.run("id", timeout: 1) }
        #expect(throws: ControllerError.self) { try session.open("id") }
        #expect(throws: ControllerError.self) {
            try session.upload(fileAt: "/etc/passwd", to: "cat", timeout: 1) { _, _ in }
        }
    }

    @Test("once the invite is over, the join's key opens nothing either")
    func over() throws {
        let (mesh, _) = try joining()
        let rig = try JoinRig(mesh)
        guard case .welcome(let id, let key) = try rig.enter(rig.token),
            let id = Base64.decode(id), let key = try SecretText.decode(key, count: 32)
        else { throw ControllerError(.enroll, "not let in") }
        _ = try rig.dial(id, key)
        try rig.keyring.shut()
        #expect(throws: JoinChannelError.self) { try rig.dial(id, key) }
        rig.gate.shut()
        #expect(throws: JoinChannelError.self) { try rig.dial(id, key) }
        #expect(try rig.state.invite(rig.token.invitation.id) == nil)
    }

    @Test("who is concerned: the node, and whoever it has a peering or an edge with")
    func concerned() throws {
        var topology = Topology(
            mesh: Mesh(name: "lab", networks: [], peering: .paths),
            nodes: ["hub", "gpu", "db"].map { TestMesh.node($0) }
                + [Node(name: "nas", connect: .join), Node(name: "phone", managed: false)],
            services: [Service(name: "web", node: "gpu", kind: "http", port: 80)],
            paths: [Path(name: "p", edges: [Edge(from: "nas", to: "web", via: .wireguard)])])
        #expect(JoinInvite.concerned("nas", in: topology) == ["nas", "gpu"])
        #expect(JoinInvite.reaches("nas", in: topology) == ["web.lab:80"])
        topology.mesh.peering = .full
        #expect(JoinInvite.concerned("nas", in: topology) == ["nas", "gpu", "hub", "db"])
    }
}
