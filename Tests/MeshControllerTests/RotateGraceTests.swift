import MeshController
import MeshModel
import NodeProtocol
import PeerFiles
import Synchronization
import Testing

@Suite("Nodes without an agent have time to fetch their new configuration")
struct RotateGraceTests {
    private let mesh: TestMesh

    init() throws {
        mesh = try TestMesh(["db", "gpu"], unmanaged: ["pad", "phone"])
        for index in [2, 3] {
            mesh.topology.nodes[index].publicKey = PublicKey(
                bytes: [UInt8](repeating: UInt8(90 + index), count: 32))
        }
        _ = try mesh.up()
        for name in ["db", "gpu"] {
            try mesh.machine(name).state.withLock { $0.neverHeard[1] = ["pad", "phone"] }
        }
    }

    /// By interface, the peers that a machine has.
    private func peers(_ name: String) throws -> [String: [String]] {
        let interfaces = try #require(mesh.machine(name).snapshot.document).interfaces
        return Dictionary(
            uniqueKeysWithValues: interfaces.map { ($0.name, $0.peers.map(\.node)) })
    }

    private func fetch(_ names: String...) throws {
        try mesh.machine("db").state.withLock { $0.neverHeard[1]?.subtract(names) }
    }

    private func ports(_ phone: String) throws -> Set<UInt16> {
        let profile = try mesh.state(writing: false).profile(
            of: phone, in: mesh.topology, ProfileOptions())
        return Set(profile.peers.compactMap { $0.endpoint?.port })
    }

    @Test("their peers keep the old keys for them alone, and everything else works on")
    func waits() throws {
        #expect(try ports("phone") == [51820])
        let report = try mesh.rotate()
        #expect(report.outcome == .grace && report.isGood, "\(report.error ?? "")")
        #expect(report.grace.map(\.node) == ["pad", "phone"])
        #expect(report.grace.first?.message.contains("meshproof peer show pad --conf") == true)
        for (name, other) in [("db", "gpu"), ("gpu", "db")] {
            #expect(
                try peers(name) == [
                    "mp1-lab": [other, "pad", "phone"], "mp0-lab": ["pad", "phone"],
                ]
            )
            #expect(try mesh.machine(name).snapshot.generations == [0, 1])
        }
        // The new configuration is what is shown from now on.
        #expect(try ports("phone") == [51821])

        #expect(try mesh.plan().hasChanges == false)
        #expect(try mesh.up().nodes.allSatisfy { $0.state == .unchanged })
        let status = try mesh.status()
        #expect(status.rotation?.grace.map(\.node) == ["pad", "phone"] && status.isAsWanted)
        let refusal = #expect(throws: ControllerError.self) { try mesh.rotate() }
        #expect(refusal?.message.contains("waits for pad, phone") == true)
        #expect(throws: ControllerError.self) { try mesh.rotate(.abort) }
        #expect(try mesh.rotate(.beginDue(drain: 0)).outcome == .grace)

        // Somebody joins in the meantime.
        mesh.add("new")
        #expect(try mesh.up().isGood)
        #expect(try peers("new")["mp1-lab"] == ["db", "gpu", "pad", "phone"])
        #expect(try mesh.plan().hasChanges == false)
    }

    @Test("it ends for each as it is seen, and for all when the last one is")
    func ends() throws {
        #expect(try mesh.rotate().outcome == .grace)
        try fetch("pad")
        let half = try mesh.rotate(.resume)
        #expect(half.outcome == .grace && half.grace.map(\.node) == ["phone"])
        #expect(try peers("db")["mp0-lab"] == ["phone"])
        try fetch("phone")
        let end = try mesh.rotate(.resume)
        #expect(end.outcome == .rotated, "\(end.error ?? "")")
        #expect(end.steps.map(\.step) == [.grace, .retire, .sweep, .finish])
        for name in ["db", "gpu"] {
            #expect(try peers(name).keys.sorted() == ["mp1-lab"])
            #expect(try mesh.machine(name).snapshot.generations == [1])
        }
        #expect(try mesh.state(writing: false).generations.wireguard == 1)
        #expect(try mesh.plan().hasChanges == false)
    }

    @Test("it ends with the time, with the node, and where nobody is to be waited for")
    func endsOtherwise() throws {
        let short = try mesh.rotate(.begin(wireguard: true, ssh: false, drain: 0, grace: 0.01))
        #expect(short.outcome == .grace)
        let over = try mesh.rotate(.resume)
        #expect(over.outcome == .rotated && over.notes.contains { $0.contains("phone did not") })
        // The keys of set 1 are the old ones now.
        let heard = try mesh.rotate(.begin(wireguard: true, ssh: false, drain: 0))
        #expect(heard.outcome == .rotated, "the fake's phones have set 2 at once")
        for name in ["db", "gpu"] {
            try mesh.machine(name).state.withLock { $0.neverHeard[3] = ["pad", "phone"] }
        }
        #expect(try mesh.rotate(.begin(wireguard: true, ssh: false, drain: 0)).outcome == .grace)
        mesh.topology.nodes.removeAll { $0.name == "pad" }
        _ = try mesh.up()
        let rest = try mesh.rotate(.resume, without: ["phone"])
        #expect(rest.outcome == .rotated && rest.grace.isEmpty, "\(rest.error ?? "")")
    }

    @Test("no time is left where none is given, and tunnels' keys do not concern them")
    func none() throws {
        #expect(try mesh.rotate(.begin(wireguard: false, ssh: true, drain: 0)).outcome == .rotated)
        let report = try mesh.rotate(.begin(wireguard: true, ssh: false, drain: 0, grace: 0))
        #expect(report.outcome == .rotated)
        #expect(report.notes.count { $0.contains("is cut off until") } == 2)
        #expect(try peers("db").keys.sorted() == ["mp1-lab"])
    }

    @Test("what is left of anybody else's keys is told at once")
    func tellsWhatIsLeft() throws {
        let gpu = try mesh.machine("gpu")
        gpu.state.withLock { $0.leftovers = ["file /var/lib/meshproof/lab/keys/ssh-host-0.key"] }
        let report = try mesh.rotate()
        #expect(report.outcome == .stopped && report.stoppedAt == .grace)
        #expect(report.nodes.first { $0.node == "gpu" }?.left.count == 1)
        gpu.state.withLock { $0.leftovers = [] }
        #expect(try mesh.rotate(.resume).outcome == .grace)
    }

    @Test("cut short at its beginning it goes on")
    func cutShort() throws {
        let gpu = try mesh.machine("gpu")
        let progress = Breaker(at: .rest) { gpu.trouble(.applyFails) }
        let report = try mesh.rotate(progress: progress)
        #expect(report.outcome == .stopped && report.stoppedAt == .grace)
        try mesh.machine("gpu").trouble()
        #expect(try mesh.up().isGood)
        let resumed = try mesh.rotate(.resume)
        #expect(resumed.outcome == .grace, "\(resumed.error ?? "")")
        #expect(try peers("gpu")["mp0-lab"] == ["pad", "phone"])
    }
}

/// Does something once a step has been taken.
final class Breaker: Progress {
    private let step: RotationStep
    private let action: @Sendable () -> Void

    init(at step: RotationStep, _ action: @escaping @Sendable () -> Void) {
        self.step = step
        self.action = action
    }

    func working(_ node: String, _ phase: String) {}
    func finished(_ node: String, _ text: String, good: Bool) {
        if good && node == step.rawValue && text == step.summary { action() }
    }
    func note(_ text: String) {}
}
