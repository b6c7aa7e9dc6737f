import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import Testing

/// A mesh of machines in memory with a controller's state in a folder of its own.
final class TestMesh {
    static let program = NodeProgram(path: "/dev/null", digest: "abc", machine: "x86_64")

    let root: String
    var topology: Topology
    private(set) var machines: [String: FakeMachine] = [:]
    var settings = RunSettings()

    /// A full mesh of managed nodes; what is `unmanaged` is in it without an agent.
    init(_ names: [String], unmanaged: [String] = []) throws {
        root = "/tmp/meshcontroller-test-\(UInt64.random(in: .min ... .max))"
        let network = try #require(IPPrefix("10.77.0.0/24"))
        topology = Topology(
            mesh: Mesh(name: "lab", networks: [network], peering: .full),
            nodes: names.map { TestMesh.node($0) }
                + unmanaged.map { Node(name: $0, managed: false) })
        for name in names { addMachine(name) }
        settings.timeout = 2
        settings.window = 5
        settings.mailPatience = 0
        settings.calm = 0.02
    }

    deinit { try? Files.removeTree(root) }

    static func node(_ name: String) -> Node {
        Node(
            name: name, connect: .ssh(user: "root", host: name, port: nil), endpoint: "192.0.2.1")
    }

    func addMachine(_ name: String) {
        machines[name] = FakeMachine(key: UInt8(machines.count + 1))
    }

    func add(_ name: String) {
        topology.nodes.append(TestMesh.node(name))
        addMachine(name)
    }

    func machine(_ name: String) throws -> FakeMachine { try #require(machines[name]) }

    var folders: StateFolders { StateFolders(state: "\(root)/state", keyFile: "\(root)/mesh.kek") }
    var carrier: FakeCarrier { FakeCarrier(machines: machines) }

    func state(writing: Bool = true, passphraseFile: String? = nil) throws -> ControllerState {
        try ControllerState(
            folders, mesh: "lab", passphraseFile: passphraseFile, writing: writing)
    }

    func up(_ progress: any Progress = NoProgress()) throws -> UpReport {
        try UpRun(
            topology, state: state(), carrier: carrier, program: Self.program, settings: settings,
            progress: progress
        ).run()
    }

    func rotate(
        _ wish: RotateRun.Wish = .begin(wireguard: true, ssh: true, drain: 0),
        without: [String] = [], progress: any Progress = NoProgress()
    ) throws -> RotateReport {
        try RotateRun(
            topology, state: state(), carrier: carrier, program: Self.program, settings: settings,
            progress: progress
        ).run(wish, without: without, command: "rotate")
    }

    func plan() throws -> PlanReport {
        try PlanRun(
            topology, state: state(writing: false), carrier: carrier, program: Self.program,
            settings: settings, progress: NoProgress()
        ).run()
    }

    func status() throws -> StatusReport {
        try StatusRun(
            topology, state: state(writing: false), carrier: carrier, settings: settings,
            progress: NoProgress()
        ).look()
    }

    func down(only: [String] = [], forgetsLost: Bool = false) throws -> DownReport {
        try DownRun(
            topology, state: state(), carrier: carrier, settings: settings, progress: NoProgress(),
            only: only, forgetsLost: forgetsLost
        ).run()
    }
}
