import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("A node refuses a document whose guard")
struct GuardDocumentTests {
    private static func ip(_ text: String) -> IPAddress { IPAddress(text) ?? .anyIPv4 }

    private static func document(
        _ world: TestWorld, _ revision: UInt64 = 1,
        _ change: (inout NodeDocument) -> Void = { _ in }
    ) throws -> NodeDocument {
        try world.document(revision) {
            $0.guard = DesiredGuard(
                addresses: [ip("10.77.0.1")], networks: $0.interfaces[0].networks,
                admitted: [GuardFlow(from: ip("10.77.0.2"), to: ip("10.77.0.1"), port: 11434)],
                reachable: [SocketEndpoint(ip("10.77.0.2"), 8080)],
                shielded: [ShieldedPort(.tcp, 11434), ShieldedPort(.udp, 11434)])
            change(&$0)
        }
    }

    private typealias Mistake = @Sendable (inout NodeDocument) -> Void

    private static let mistakes: [Mistake] = [
        { $0.guard?.addresses = [] },
        { $0.guard?.addresses = [ip("10.77.0.9")] },
        { $0.guard?.networks = [] },
        { $0.guard?.networks = [IPPrefix(host: ip("10.77.0.1"))] },
        { $0.guard?.networks += [IPPrefix(host: ip("192.0.2.1"))] },
        { $0.guard?.admitted[0].port = 0 },
        { $0.guard?.admitted[0].from = ip("192.0.2.1") },
        { $0.guard?.admitted[0].to = ip("192.0.2.1") },
        { $0.guard?.admitted[0].from = ip("fd77::1") },
        { $0.guard?.reachable = [SocketEndpoint(ip("192.0.2.1"), 80)] },
        { $0.guard?.reachable = [SocketEndpoint(ip("10.77.0.2"), 0)] },
        { $0.guard?.managementPort = 0 },
        // Locks somebody out: the operator, the tunnels, the mesh itself.
        { $0.guard?.shielded.append(ShieldedPort(.tcp, 22)) },
        { $0.guard?.shielded.append(ShieldedPort(.udp, 51820)) },
        { $0.guard?.shielded.append(ShieldedPort(.tcp, 0)) },
        {
            $0.guard?.shielded = (1...2001).map { ShieldedPort(.tcp, 1000 + $0) }
        },
    ]

    @Test("is another node's, is out of bounds, or locks somebody out", arguments: mistakes.indices)
    func refused(index: Int) throws {
        let world = try TestWorld()
        let document = try Self.document(world, 1, Self.mistakes[index])
        #expect(try world.stage(document).refusal == .invalidDocument)
        #expect(world.kernel.attempts == 0)
    }

    @Test("or closes the tunnel server's port")
    func tunnelServer() throws {
        let world = try TestWorld()
        let document = try Self.document(world) {
            $0.tunnelServer = DesiredTunnelServer(
                addresses: [.anyIPv4], port: 51822, user: "mp-lab", hostKey: TestWorld.key(3),
                grants: [])
        }
        #expect(world.ask(.preview(document: document)).refusal == nil)
        var closing = document
        closing.guard?.shielded.append(ShieldedPort(.tcp, 51822))
        #expect(world.ask(.preview(document: closing)).refusal == .invalidDocument)
    }

    @Test("or else sets it first, mends it, and takes it back with a change that nobody confirms")
    func taken() throws {
        let world = try TestWorld()
        try world.install(try Self.document(world))
        #expect(world.kernel.applied.first?.summary.hasPrefix("set the guard") == true)
        #expect(world.kernel.model.node.guard != nil)
        #expect(try world.report().drift.isEmpty)
        world.kernel.model.apply(.removeGuard)
        #expect(try world.report().drift.map(\.reason) == ["there is none"])
        world.pass(20)
        #expect(world.kernel.model.node.guard != nil)

        // Off, unconfirmed, and on again by itself.
        try world.stage(try world.document(2))
        world.ask(.commit(revision: 2, window: 60), from: 1)
        #expect(world.kernel.model.node.guard == nil)
        world.pass(61)
        #expect(world.kernel.model.node.guard != nil)

        // Off for good.
        try world.install(try world.document(3))
        #expect(world.kernel.model.node.guard == nil)
        #expect(world.kernel.applied.last?.change == .removeGuard)
    }

    @Test("A guard that cannot be set takes the whole change back, before anything else is done")
    func refusedByKernel() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        let before = world.kernel.model.node
        world.kernel.failing = "set the guard"
        try world.stage(try Self.document(world, 2))
        #expect(world.ask(.commit(revision: 2, window: 60)).refusal == .applyFailed)
        #expect(world.kernel.model.node == before)
        #expect(try world.report().drift.isEmpty)
    }

    @Test("It is there after a restart of the machine, without the controller")
    func reboot() throws {
        let world = try TestWorld()
        try world.install(try Self.document(world))
        try world.restart(afterReboot: true)
        #expect(world.kernel.model.node.guard != nil)
    }
}
