import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("Drift repair")
struct RepairTests {
    private func settled() throws -> TestWorld {
        let world = try TestWorld()
        try world.install(try world.document(1))
        world.pass(20)
        return world
    }

    @Test("mends what somebody changed, once, within a sweep, and tells why")
    func mends() throws {
        let world = try settled()
        world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
        #expect(try world.report().drift.map(\.summary).count == 1)
        world.pass(15)
        let report = try world.report()
        #expect(report.drift.isEmpty)
        #expect(report.repairs.map(\.step.reason) == ["no such peer"])
        #expect(report.repairs.map(\.failure) == [nil])
        world.pass(60)
        #expect(try world.report().repairs.count == 1)
    }

    @Test(
        "follows an event after the kernel has settled, not at once, and not twice for a burst of them"
    )
    func events() throws {
        let world = try settled()
        // Just past the sweep that comes without cause, so that the next one is far.
        let sweeps = world.kernel.attempts
        world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
        while world.kernel.attempts == sweeps { world.pass(0.5) }
        world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
        let before = world.kernel.attempts
        for _ in 0..<20 { world.core.kernelChanged(at: world.now) }
        world.pass(AgentCore.settleTime / 2)
        #expect(world.kernel.attempts == before)
        world.pass(AgentCore.settleTime / 2 + 0.1)
        #expect(world.kernel.attempts == before + 1)
        #expect(world.kernel.underlayForgotten == 20)
    }

    @Test("wakes up no more often than the sweep where nothing happens")
    func idle() throws {
        let world = try settled()
        var wakes = 0
        let end = world.now.monotonic + 600
        while world.now.monotonic < end {
            let pause = world.core.nextWake - world.now.monotonic
            #expect(pause > 0)
            world.pass(max(pause, 0.001))
            wakes += 1
        }
        #expect(wakes <= 41)
    }

    @Test(
        "of what cannot be mended is tried ever more seldom, and keeps nothing else from being mended"
    )
    func backsOff() throws {
        let world = try settled()
        world.kernel.failing = "add address"
        world.kernel.model.apply(
            .removeAddress(interface: "mp0-lab", address: try TestWorld.prefix("10.77.0.1/32")))
        world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
        let before = world.kernel.attempts
        for _ in 0..<(600 / 15) { world.pass(15) }
        #expect(world.kernel.attempts - before <= 12)
        let report = try world.report()
        #expect(
            report.repairs.contains {
                $0.step.summary.hasPrefix("add peer edge") && $0.failure == nil
            })
        #expect(report.repairs.contains { $0.failure?.contains("not permitted") == true })
        #expect(report.drift.map(\.summary) == ["add address 10.77.0.1/32 to mp0-lab"])
        world.kernel.failing = nil
        for _ in 0..<20 { world.pass(15) }
        #expect(try world.report().drift.isEmpty)
    }

    @Test("does not race with somebody who undoes it each time")
    func fights() throws {
        let world = try settled()
        for _ in 0..<300 {
            world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
            world.core.kernelChanged(at: world.now)
            world.pass(2.1)
        }
        #expect(try world.report().repairs.count <= 15)
    }

    @Test("keeps the last 50 repairs")
    func bounded() throws {
        let world = try settled()
        for _ in 0..<60 {
            world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
            world.pass(1_000)
        }
        #expect(try world.report().repairs.count == 50)
    }

    @Test("waits out a kernel that does not answer")
    func blind() throws {
        let world = try settled()
        world.kernel.isBlind = true
        world.kernel.model.apply(.removePeer(interface: "mp0-lab", publicKey: TestWorld.key(9)))
        world.pass(15)
        #expect(world.ask(.observe).refusal == .failed)
        world.kernel.isBlind = false
        world.pass(15)
        #expect(try world.report().drift.isEmpty)
    }

    @Test("does nothing on a node that has no document")
    func enrolledOnly() throws {
        let world = try TestWorld()
        world.kernel.model.apply(.createInterface(name: "mp0-lab", backend: .auto))
        world.pass(60)
        #expect(world.kernel.model.node.interfaces.count == 1)
        #expect(try world.report().drift.isEmpty)
    }

    @Test("brings a machine that was started again back up without a controller")
    func boot() throws {
        let world = try settled()
        try world.restart(afterReboot: true)
        #expect(world.addresses == ["10.77.0.1/32"])
        #expect(try world.report().drift.isEmpty)
    }

    @Test("nudges one address of each peer that is named, or of all")
    func nudge() throws {
        let world = try settled()
        let name = try #require(world.report().document?.interfaces[0].peers[0].node)
        #expect(world.ask(.nudge(peers: ["nobody"])) == .done)
        #expect(world.kernel.nudged.isEmpty)
        #expect(world.ask(.nudge(peers: [name])) == .done)
        #expect(world.kernel.nudged.map(\.description) == ["10.77.0.2"])
        #expect(world.ask(.nudge(peers: nil)) == .done)
        #expect(world.kernel.nudged.map(\.description) == ["10.77.0.2", "10.77.0.2"])
    }

    @Test("nudges a hub, which has no address of its own in the document")
    func nudgeHub() throws {
        let world = try TestWorld()
        let network = try #require(IPPrefix("10.77.0.0/24"))
        try world.install(
            try world.document(1) { $0.interfaces[0].peers[0].allowedIPs = [network] })
        #expect(world.ask(.nudge(peers: nil)) == .done)
        #expect(world.kernel.nudged.map(\.description) == ["10.77.0.0"])
    }
}

@Suite("Endpoint names")
struct EndpointNameTests {
    private let name = Endpoint(host: "edge.example", port: 51820)
    private let answer = SocketEndpoint(IPAddress(ipv4: 0xc000_0201), 51820)

    private func world() throws -> TestWorld {
        let world = try TestWorld()
        try world.install(
            try world.document(1) { $0.interfaces[0].peers[0].endpoint = name })
        return world
    }

    private func endpoint(_ world: TestWorld) -> SocketEndpoint? {
        world.kernel.model.node.interfaces[0].device?.peers[0].endpoint
    }

    private func handshake(_ world: TestWorld, at: Double) {
        world.kernel.model.touch("mp0-lab", handshake: at)
    }

    @Test("are asked for at once, and again with growing pauses until there is an answer")
    func untilAnswered() throws {
        let world = try world()
        var asked: [Double] = []
        let start = world.now.monotonic
        for _ in 0..<120 {
            if world.core.namesToResolve(at: world.now) == [name] {
                asked.append(world.now.monotonic - start)
            }
            world.core.resolved([:], at: world.now)
            world.pass(1)
        }
        #expect(asked == [0, 2, 6, 14, 30, 62])
        world.core.resolved([name: answer], at: world.now)
        world.pass(0)
        #expect(endpoint(world) == answer)
    }

    @Test(
        "are asked for again only while the handshake is stale, and not more than every 30 seconds")
    func stale() throws {
        let world = try world()
        _ = world.core.namesToResolve(at: world.now)
        world.core.resolved([name: answer], at: world.now)
        world.pass(0)
        for _ in 0..<20 {
            handshake(world, at: world.now.wall)
            world.pass(15)
            #expect(world.core.namesToResolve(at: world.now).isEmpty)
        }
        var asked = 0
        for _ in 0..<60 {
            world.pass(15)
            asked += world.core.namesToResolve(at: world.now).count
        }
        #expect((2...12).contains(asked))
        let moved = SocketEndpoint(IPAddress(ipv4: 0xc000_0202), 51820)
        world.core.resolved([name: moved], at: world.now)
        world.pass(0)
        #expect(endpoint(world) == moved)
    }

    @Test("that fail to resolve later keep their last answer")
    func keepsAnswer() throws {
        let world = try world()
        _ = world.core.namesToResolve(at: world.now)
        world.core.resolved([name: answer], at: world.now)
        world.pass(400)
        #expect(world.core.namesToResolve(at: world.now) == [name])
        world.core.resolved([:], at: world.now)
        world.pass(15)
        #expect(try world.report().observed.resolved == [name.description: answer])
    }
}
