import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("Two sets of keys on a node")
struct RotationTests {
    /// A second interface for set 1, as a rotation puts it beside the first.
    private func beside(_ world: TestWorld) throws -> DesiredInterface {
        guard case .key(let key) = world.ask(.prepareKey(generation: 1)) else {
            throw TestWorld.Missing()
        }
        var second = try world.document(1).interfaces[0]
        second.name = "mp1-lab"
        second.generation = 1
        second.publicKey = key
        second.listenPort = 51821
        second.peers[0].publicKey = TestWorld.key(10)
        return second
    }

    private func carrier(_ world: TestWorld) -> [String?] {
        world.kernel.model.node.routes
            .filter { $0.kind == .unicast && $0.destination.description != "10.77.0.99/32" }
            .map(\.interface)
    }

    @Test(
        "stand beside each other; the first carries the routes, and a key goes when its interface has"
    )
    func walk() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let second = try beside(world)
        try world.install(try world.document(2) { $0.interfaces.append(second) })
        #expect(carrier(world) == ["mp0-lab"])
        #expect(world.kernel.model.node.interfaces.map(\.name).sorted() == ["mp0-lab", "mp1-lab"])
        try world.install(try world.document(3) { $0.interfaces.insert(second, at: 0) })
        #expect(carrier(world) == ["mp1-lab"])
        _ = try world.keys.sshHostKey(0)
        try world.install(try world.document(4) { $0.interfaces = [second] })
        #expect(carrier(world) == ["mp1-lab"])
        #expect(world.kernel.model.node.interfaces.map(\.name) == ["mp1-lab"])
        #expect(!Files.exists(world.folders.key(generation: 0)))
        #expect(Files.exists(world.folders.hostKey(generation: 0)), "SSH keys are counted apart")
        #expect(world.kernel.model.failures.isEmpty)
    }

    @Test("a device with one key at both is followed within seconds, and nobody else costs that")
    func follows() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        var second = try beside(world)
        second.peers[0].publicKey = try world.document(1).interfaces[0].peers[0].publicKey
        // One that is managed, and has a key of its own at each.
        var other = second.peers[0]
        (other.node, other.publicKey) = ("other", TestWorld.key(11))
        other.allowedIPs = [try #require(IPPrefix("10.77.0.99/32"))]
        try world.install(
            try world.document(2) {
                $0.interfaces[0].peers.append(other)
                other.publicKey = TestWorld.key(12)
                second.peers.append(other)
                $0.interfaces.append(second)
            })
        #expect(carrier(world) == ["mp0-lab"])
        world.kernel.model.touch("mp1-lab", handshake: 5)
        world.pass(2.1)
        #expect(carrier(world) == ["mp1-lab"])
        world.kernel.model.touch("mp0-lab", handshake: 9)
        world.pass(2.1)
        #expect(carrier(world) == ["mp0-lab"])
        #expect(try world.report().repairs.isEmpty, "nobody has changed anything")
        let place = other.allowedIPs[0]
        var route = try #require(
            world.kernel.model.node.routes.first { $0.destination == place })
        route.interface = "mp1-lab"
        world.kernel.model.apply(.setRoute(route: route))
        world.pass(2.1)
        #expect(try world.report().repairs.count == 1, "somebody else has")
        // However often it comes back, it is not kept waiting.
        for turn in 0..<8 {
            world.kernel.model.touch("mp\(turn % 2)-lab", handshake: Double(10 + turn))
            world.pass(2.1)
            #expect(carrier(world) == ["mp\(turn % 2)-lab"])
        }
        for route in world.kernel.model.node.routes where route.kind == .unicast {
            world.kernel.model.apply(.removeRoute(route: route))
        }
        world.pass(2.1)
        #expect(
            try world.report().repairs.map(\.step.reason).suffix(2) == [
                "no such route", "no such route",
            ])
        try world.install(try world.document(3) { $0.interfaces = [second] })
        world.pass(20)
        #expect(world.core.nextWake > world.now.monotonic + 10)
    }

    @Test("what is in force, or may have to be again, is not forgotten")
    func keeps() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        #expect(world.ask(.forgetKeys(wireguard: [0], ssh: [])).refusal != nil)
        #expect(Files.exists(world.folders.key(generation: 0)))
        let second = try beside(world)
        try world.stage(try world.document(2) { $0.interfaces = [second] })
        world.ask(.commit(revision: 2, window: 60))
        #expect(world.ask(.forgetKeys(wireguard: [0], ssh: [])).refusal != nil)
        #expect(world.ask(.forgetKeys(wireguard: [1], ssh: [])).refusal != nil)
        #expect(Files.exists(world.folders.key(generation: 0)))
        #expect(Files.exists(world.folders.key(generation: 1)))
    }

    @Test("a set that was only wished for is forgotten, with the wish")
    func forgets() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let second = try beside(world)
        guard case .sshKeys(let keys) = world.ask(.prepareSSHKeys(generation: 1)) else {
            throw TestWorld.Missing()
        }
        #expect(try world.hello().sshKeys[1] == keys)
        try world.stage(try world.document(2) { $0.interfaces.append(second) })
        #expect(world.ask(.forgetKeys(wireguard: [1], ssh: [1])) == .done)
        for path in [
            world.folders.key(generation: 1), world.folders.hostKey(generation: 1),
            world.folders.clientKey(generation: 1),
        ] { #expect(!Files.exists(path)) }
        #expect(world.ask(.commit(revision: 2, window: 60)).refusal == .notStaged)
        #expect(try world.hello().keys.keys.sorted() == [0])
    }

    @Test(
        "a staged document of a set that is given up goes with the preshared keys that came for it")
    func forgetsStaged() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let fresh = try PresharedKeys.generate()
        let id = PresharedKeys.identify(fresh)
        var second = try beside(world)
        second.peers[0].presharedKey = id
        let document = try world.document(2) { $0.interfaces.append(second) }
        let brought = [
            world.payload(), PresharedKeyPayload(id: id, key: SecretText.encode(fresh)),
        ]
        world.ask(.stage(document: try world.sign(document), presharedKeys: brought))
        #expect(world.keys.presharedKeyIDs() == [world.pskID, id])
        try world.restart()
        #expect(world.keys.presharedKeyIDs() == [world.pskID, id], "it may yet be committed")
        #expect(world.ask(.forgetKeys(wireguard: [1], ssh: [])) == .done)
        #expect(world.keys.presharedKeyIDs() == [world.pskID])
    }

    @Test("a greeting by one interface goes to that interface's peers alone")
    func greets() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        #expect(world.ask(.nudge(peers: nil, interface: "mp1-lab")) == .done)
        #expect(world.kernel.nudged.isEmpty)
        #expect(world.ask(.nudge(peers: ["edge"], interface: "mp0-lab")) == .done)
        #expect(world.kernel.nudged.map(\.description) == ["10.77.0.2"])
    }
}
