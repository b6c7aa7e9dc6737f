import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("An agent that is killed between any two writes")
struct CrashTests {
    /// Everything that a change goes through, with the connection it comes over.
    private static let story: [(Request, UInt64)] = [
        (.commit(revision: 2, window: 60), 1), (.confirm(revision: 2), 2),
    ]

    /// How many writes the story takes when nothing interrupts it.
    private func length(_ story: (TestWorld) throws -> Void) throws -> Int {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let before = world.storage.changes
        try story(world)
        return world.storage.changes - before
    }

    private func expectGoodState(_ world: TestWorld, _ point: Int, revisions: Set<UInt64>) throws {
        let hello = try world.hello()
        #expect(revisions.contains(hello.revision), "after \(point) writes")
        #expect(hello.keys[0] != nil, "no key is lost, after \(point) writes")
        let report = try world.report()
        #expect(report.drift.isEmpty, "after \(point) writes")
        let wanted = report.document?.interfaces[0].addresses.map(\.description)
        #expect(world.addresses == wanted, "after \(point) writes")
        #expect(world.keys.presharedKeyIDs() == [world.pskID], "after \(point) writes")
    }

    @Test("has its last good state or the new one, and can go on")
    func changing() throws {
        let story = { (world: TestWorld) throws in
            try world.stage(try world.document(2, address: "10.77.0.9/32"))
            for (request, connection) in Self.story { world.ask(request, from: connection) }
        }
        let writes = try length(story)
        #expect(writes > 6)
        for point in 0...writes {
            let world = try TestWorld()
            try world.install(try world.document(1))
            world.storage.fuse = world.storage.changes + point
            try story(world)
            try world.restart()
            try expectGoodState(world, point, revisions: [1, 2])
            // Nobody confirms: within the window it stays, and then it goes back.
            let wasUnconfirmed = try world.hello().unconfirmed != nil
            world.pass(61)
            world.pass(20)
            let revision = try world.hello().revision
            if wasUnconfirmed { #expect(revision == 1) }
            try expectGoodState(world, point, revisions: [1, 2])
            // And the controller, run again, converges.
            let next = try world.hello().highestRevision + 1
            try world.install(try world.document(next, address: "10.77.0.9/32"))
            #expect(try world.hello().revision == next)
        }
    }

    @Test("takes a rollback up again")
    func rollingBack() throws {
        let story = { (world: TestWorld) throws in
            try world.stage(try world.document(2, address: "10.77.0.9/32"))
            world.ask(.commit(revision: 2, window: 60))
            world.ask(.rollback(revision: 2))
        }
        for point in 0...(try length(story)) {
            let world = try TestWorld()
            try world.install(try world.document(1))
            world.storage.fuse = world.storage.changes + point
            try story(world)
            world.now.monotonic += 61
            try world.restart()
            #expect(try world.hello().revision == 1)
            #expect(world.addresses == ["10.77.0.1/32"])
            // A replay of what was taken once is refused, however the agent died.
            let committed = try world.hello().highestRevision == 2
            let again = try world.stage(try world.document(2))
            #expect((again.refusal == .staleRevision) == committed, "after \(point) writes")
        }
    }

    @Test("loses no key while it is being rotated")
    func rotating() throws {
        let story = { (world: TestWorld) throws in
            guard case .key(let next) = world.ask(.prepareKey(generation: 1)) else { return }
            let document = try world.document(2) {
                $0.interfaces[0].name = "mp1-lab"
                $0.interfaces[0].generation = 1
                $0.interfaces[0].publicKey = next
            }
            try world.stage(document)
            world.ask(.commit(revision: 2, window: 60), from: 1)
            world.ask(.confirm(revision: 2), from: 2)
        }
        for point in 0...(try length(story)) {
            let world = try TestWorld()
            try world.install(try world.document(1))
            world.storage.fuse = world.storage.changes + point
            try story(world)
            try world.restart()
            let report = try world.report()
            let generation = report.document?.interfaces[0].generation ?? -1
            #expect(report.hello.keys[generation] != nil, "after \(point) writes")
            #expect(
                report.observed.interfaces.first?.device?.publicKey == report.hello.keys[generation]
            )
        }
    }

    @Test(
        "leaves the data plane alone where its own files were changed",
        arguments: ["current", "record", "unconfirmed"])
    func damaged(name: String) throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        try Files.replace(world.folders.document(name), with: Array("{\"not\":\"ours\"}".utf8))
        world.kernel.model.apply(
            .removeAddress(interface: "mp0-lab", address: try TestWorld.prefix("10.77.0.1/32")))
        let before = world.kernel.model.node
        try world.restart()
        world.pass(60)
        #expect(world.kernel.model.node == before)
        // A new document from the controller mends it.
        let next = try world.hello().highestRevision + 10
        try world.install(try world.document(next))
        #expect(try world.report().drift.isEmpty)
        #expect(world.addresses == ["10.77.0.1/32"])
    }
}
