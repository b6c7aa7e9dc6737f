import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("A node refuses a document whose tunnels")
struct TunnelDocumentTests {
    private static func keys(_ world: TestWorld) throws -> SSHNodeKeys {
        try #require(try world.hello().sshKeys[0])
    }

    private static func tcp(_ text: String) -> TunnelEnd {
        SocketEndpoint(text).map(TunnelEnd.tcp) ?? .unix("")
    }

    private static func document(
        _ world: TestWorld, _ change: (inout NodeDocument) -> Void = { _ in }
    ) throws -> NodeDocument {
        let own = try keys(world)
        return try world.document(1) {
            $0.tunnels = [
                DesiredTunnel(
                    edge: "gpu->postgres", node: "db", way: .underlay,
                    server: Endpoint(host: "db.example", port: 51822), user: "mp-lab",
                    hostKeys: [TestWorld.key(5)], clientKey: own.client,
                    entrances: [tcp("127.0.0.1:5432"), tcp("[::1]:5432")],
                    target: tcp("127.0.0.1:5432"))
            ]
            $0.tunnelServer = DesiredTunnelServer(
                addresses: [.anyIPv4], port: 51822, user: "mp-lab", hostKey: own.host,
                grants: [
                    TunnelGrant(
                        node: "edge", key: TestWorld.key(6), targets: [tcp("127.0.0.1:11434")],
                        sources: [])
                ])
            change(&$0)
        }
    }

    private typealias Mistake = @Sendable (inout NodeDocument) -> Void

    private static let mistakes: [Mistake] = [
        { $0.tunnels[0].clientKey = TestWorld.key(9) },
        { $0.tunnels[0].clientKey = .zero },
        { $0.tunnels[0].hostKeys = [.zero] },
        { $0.tunnels[0].hostKeys = [] },
        { $0.tunnels[0].user = "root" },
        { $0.tunnels[0].user = "mp-prod" },
        { $0.tunnels[0].server = Endpoint(host: "db.example", port: 0) },
        { $0.tunnels[0].entrances = [] },
        { $0.tunnels[0].entrances = [tcp("0.0.0.0:5432")] },
        { $0.tunnels[0].entrances = [tcp("192.0.2.1:5432")] },
        { $0.tunnels[0].entrances = [tcp("[::]:5432")] },
        { $0.tunnels[0].entrances = [.unix("run/x")] },
        { $0.tunnels[0].entrances = [.unix("/run/../etc/x")] },
        { $0.tunnels[0].entrances = [.unix("/" + String(repeating: "x", count: 107))] },
        { $0.tunnels[0].target = tcp("127.0.0.1:0") },
        { $0.tunnels[0].target = .unix("/run/x\" command=\"sh") },
        { $0.tunnels[0].edge = "a\nb" },
        { $0.tunnels.append($0.tunnels[0]) },
        {
            var other = $0.tunnels[0]
            other.edge = "gpu->other"
            $0.tunnels.append(other)
        },
        { $0.tunnelServer?.hostKey = TestWorld.key(9) },
        { $0.tunnelServer?.hostKey = .zero },
        { $0.tunnelServer?.user = "root" },
        { $0.tunnelServer?.port = 0 },
        { $0.tunnelServer?.addresses = [] },
        { $0.tunnelServer?.grants[0].key = .zero },
        { $0.tunnelServer?.grants[0].targets = [] },
        { $0.tunnelServer?.grants[0].targets = [tcp("0.0.0.0:1")] },
        { $0.tunnelServer?.grants[0].node = "a b" },
    ]

    @Test("are not this node's, lead out of bounds, or open a door", arguments: mistakes.indices)
    func refused(index: Int) throws {
        let world = try TestWorld()
        let document = try Self.document(world, Self.mistakes[index])
        #expect(try world.stage(document).refusal == .invalidDocument)
        #expect(world.kernel.attempts == 0)
    }

    @Test("or else takes it, and does as it says")
    func taken() throws {
        let world = try TestWorld()
        let document = try Self.document(world)
        #expect(try world.stage(document).refusal == nil)
        world.ask(.commit(revision: 1, window: 60), from: 1)
        #expect(world.ask(.confirm(revision: 1), from: 2) == .done)
        #expect(world.kernel.model.node.tunnels.map(\.tunnel) == document.tunnels)
        #expect(world.kernel.model.node.tunnelServer != nil)
        #expect(try world.report().drift.isEmpty)
        // A tunnel that somebody closed is opened again, and a server that was changed is set right.
        world.kernel.model.apply(.closeTunnel(edge: "gpu->postgres"))
        world.kernel.model.apply(.removeTunnelServer)
        #expect(try world.report().drift.count == 2)
        world.pass(20)
        #expect(try world.report().drift.isEmpty)
    }

    @Test("and wakes or restarts tunnels when asked, if there are such")
    func asked() throws {
        let world = try TestWorld()
        #expect(world.ask(.wakeTunnels) == .done)
        #expect(world.ask(.restartTunnel(edge: "gpu->postgres")) == .done)
        #expect(world.ask(.restartTunnel(edge: "nobody->nothing")).refusal == .failed)
    }
}
