import MeshModel
import TestSupport
import Testing

@Suite("An edge by SSH is resolved for both of its nodes")
struct TunnelTests {
    private let keys = Dictionary(
        uniqueKeysWithValues: ["edge", "gpu", "db", "nat"].enumerated().map { number, name in
            (name, SSHNodeKeys(client: Self.key(number + 10), host: Self.key(number + 20)))
        })

    private static func key(_ number: Int) -> PublicKey {
        PublicKey(bytes: [UInt8](repeating: UInt8(number), count: 32)) ?? .zero
    }

    private func documents(_ topology: Topology) throws -> [String: NodeDocument] {
        let inputs = ResolverInputs(
            meshID: "", issuedAt: 0,
            addresses: try OverlayAllocation.allocate(topology).addresses, sshKeys: keys)
        return Dictionary(
            uniqueKeysWithValues: Resolver.resolve(topology, inputs: inputs).map { ($0.node, $0) })
    }

    private static func tcp(_ text: String) throws -> TunnelEnd {
        .tcp(try #require(SocketEndpoint(text)))
    }

    @Test("while keys are rotated both sets are let in and accepted, the first one is shown")
    func rotated() throws {
        let beside = keys.mapValues { _ in
            SSHNodeKeys(client: Self.key(70), host: Self.key(80))
        }
        let topology = TopologySamples.stack()
        let inputs = ResolverInputs(
            meshID: "", issuedAt: 0,
            addresses: try OverlayAllocation.allocate(topology).addresses, sshKeys: keys,
            sshKeysBeside: beside)
        let all = Dictionary(
            uniqueKeysWithValues: Resolver.resolve(topology, inputs: inputs).map { ($0.node, $0) })
        let tunnel = try #require(all["edge"]?.tunnels.first)
        #expect(tunnel.hostKeys == [Self.key(22), Self.key(80)])
        #expect(tunnel.clientKey == Self.key(10))
        let server = try #require(all["db"]?.tunnelServer)
        #expect(server.hostKey == Self.key(22))
        #expect(server.grants.map(\.node) == ["edge", "edge", "gpu", "gpu"])
        #expect(server.grants.map(\.key) == [10, 70, 11, 70].map(Self.key))
        #expect(server.grants[2].sources == server.grants[3].sources)
        #expect(server.grants[2].targets == server.grants[3].targets)
    }

    @Test("over the underlay and over the mesh, each with its pinned keys and one target")
    func both() throws {
        let all = try documents(TopologySamples.stack())
        let target = try Self.tcp("127.0.0.1:5432")
        let entrances = [try Self.tcp("127.0.0.1:5432"), try Self.tcp("[::1]:5432")]
        #expect(
            all["edge"]?.tunnels == [
                DesiredTunnel(
                    edge: "webui->postgres", node: "db", way: .underlay,
                    server: Endpoint(host: "db.example", port: 51822), user: "mp-lab",
                    hostKeys: [Self.key(22)], clientKey: Self.key(10), entrances: entrances,
                    target: target)
            ])
        #expect(
            all["gpu"]?.tunnels == [
                DesiredTunnel(
                    edge: "gpu->postgres", node: "db", way: .mesh,
                    server: Endpoint(host: "10.77.0.3", port: 51822), user: "mp-lab",
                    hostKeys: [Self.key(22)], clientKey: Self.key(11), entrances: entrances,
                    target: target)
            ])
        let server = try #require(all["db"]?.tunnelServer)
        // One tunnel comes over the underlay, so it listens everywhere.
        #expect(server.addresses == [.anyIPv4, .anyIPv6])
        #expect(server.port == 51822 && server.user == "mp-lab" && server.hostKey == Self.key(22))
        #expect(
            server.grants == [
                TunnelGrant(node: "edge", key: Self.key(10), targets: [target], sources: []),
                TunnelGrant(
                    node: "gpu", key: Self.key(11), targets: [target],
                    sources: ["10.77.0.2", "fd77:6d70::2"].compactMap { IPAddress($0) }),
            ])
        #expect(all["edge"]?.tunnelServer == nil && all["db"]?.tunnels == [])
    }

    @Test("with a server on the overlay alone where every tunnel goes over the mesh")
    func overlayOnly() throws {
        var topology = TopologySamples.stack()
        topology.paths.removeFirst()
        topology.mesh.tunnelPort = 2222
        let server = try #require(try documents(topology)["db"]?.tunnelServer)
        #expect(server.addresses.map(\.description) == ["10.77.0.3", "fd77:6d70::3"])
        #expect(server.port == 2222)
    }

    @Test("with the entrance and the target that were written")
    func ends() throws {
        var topology = TopologySamples.stack()
        topology.services[2].bind = .unix("/run/pg/.s.PGSQL.5432")
        topology.services[2].port = 0
        topology.paths[0].edges[2].options = ["local_socket": "/run/app/pg"]
        topology.paths[1].edges[1].options = ["local_port": "15432"]
        let all = try documents(topology)
        #expect(all["edge"]?.tunnels[0].entrances == [.unix("/run/app/pg")])
        #expect(all["edge"]?.tunnels[0].target == .unix("/run/pg/.s.PGSQL.5432"))
        #expect(try all["gpu"]?.tunnels[0].entrances.first == Self.tcp("127.0.0.1:15432"))
        topology.services[2].bind = .mesh
        topology.services[2].port = 5432
        #expect(try documents(topology)["gpu"]?.tunnels[0].target == Self.tcp("10.77.0.3:5432"))
    }

    @Test("once, however many paths it is part of, and with one grant for one node's many edges")
    func repeated() throws {
        var topology = TopologySamples.stack()
        topology.paths.append(Path(name: "again", edges: topology.paths[0].edges))
        topology.services.append(
            Service(name: "cache", node: "db", kind: "redis", port: 6379, bind: .loopback))
        topology.paths[0].edges.append(Edge(from: "edge", to: "cache", via: .ssh))
        let all = try documents(topology)
        #expect(all["edge"]?.tunnels.map(\.edge) == ["edge->cache", "webui->postgres"])
        let grants = try #require(all["db"]?.tunnelServer).grants
        #expect(grants.map(\.node) == ["edge", "gpu"])
        #expect(grants[0].targets.map(\.description) == ["127.0.0.1:5432", "127.0.0.1:6379"])
    }

    @Test("and random meshes agree: whatever a tunnel asks for, its server grants to that key")
    func granted() throws {
        var random = SplitMix(5)
        var count = 0
        for _ in 0..<300 {
            let topology = TopologySamples.random(&random)
            let inputs = ResolverInputs(
                meshID: "", issuedAt: 0,
                addresses: try OverlayAllocation.allocate(topology).addresses,
                sshKeys: Dictionary(
                    uniqueKeysWithValues: topology.nodes.enumerated().map { number, node in
                        (
                            node.name,
                            SSHNodeKeys(
                                client: Self.key(number + 1), host: Self.key(number + 100))
                        )
                    }))
            let all = Resolver.resolve(topology, inputs: inputs)
            let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.node, $0) })
            for document in all {
                for tunnel in document.tunnels where byName[tunnel.node] != nil {
                    count += 1
                    let server = try #require(byName[tunnel.node]?.tunnelServer)
                    #expect(tunnel.hostKeys == [server.hostKey])
                    #expect(tunnel.server.port == server.port && tunnel.user == server.user)
                    let grant = try #require(server.grants.first { $0.node == document.node })
                    #expect(grant.key == tunnel.clientKey)
                    #expect(grant.targets.contains(tunnel.target))
                    if tunnel.way == .underlay {
                        #expect(server.addresses == [.anyIPv4, .anyIPv6] && grant.sources.isEmpty)
                    }
                }
                for grant in document.tunnelServer?.grants ?? [] {
                    let wanted = byName[grant.node]?.tunnels.filter { $0.node == document.node }
                    #expect(Set(grant.targets) == Set((wanted ?? []).map(\.target)))
                }
            }
        }
        #expect(count > 100)
    }

    // MARK: the plan

    private func tunnel(_ edge: String, _ change: (inout DesiredTunnel) -> Void = { _ in }) throws
        -> DesiredTunnel
    {
        var tunnel = DesiredTunnel(
            edge: edge, node: "db", way: .underlay,
            server: Endpoint(host: "192.0.2.3", port: 51822),
            user: "mp-lab", hostKeys: [Self.key(1)], clientKey: Self.key(2),
            entrances: [try Self.tcp("127.0.0.1:5432")], target: try Self.tcp("127.0.0.1:5432"))
        change(&tunnel)
        return tunnel
    }

    private static let server = DesiredTunnelServer(
        addresses: [.anyIPv4], port: 51822, user: "mp-lab", hostKey: key(3), grants: [])

    private func steps(_ desired: DesiredNode, _ observed: ObservedNode) -> [String] {
        Differ.plan(mesh: "lab", desired: desired, observed: observed, now: 0).map {
            "\($0.summary) (\($0.reason))"
        }
    }

    @Test("into steps: the server first, then what is new or different, then what is too much")
    func plan() throws {
        var observed = ObservedNode.bare
        observed.tunnels = [
            ObservedTunnel(tunnel: try tunnel("b->x"), state: .up, since: 0),
            ObservedTunnel(tunnel: try tunnel("c->x"), state: .refused, since: 0),
            ObservedTunnel(tunnel: try tunnel("d->x"), state: .up, since: 0),
        ]
        let changed = try tunnel("b->x") {
            $0.server = Endpoint(host: "192.0.2.4", port: 51822)
            $0.clientKey = Self.key(9)
        }
        let desired = DesiredNode(
            tunnels: [try tunnel("a->x"), changed, try tunnel("c->x")], tunnelServer: Self.server)
        #expect(
            steps(desired, observed) == [
                "set tunnel server: port 51822, for nobody (no tunnel server)",
                "open tunnel a->x: 127.0.0.1:5432 to 127.0.0.1:5432 on db, by 192.0.2.3:51822"
                    + " (no such tunnel)",
                "change tunnel b->x: 127.0.0.1:5432 to 127.0.0.1:5432 on db, by 192.0.2.4:51822"
                    + " (the server is 192.0.2.3:51822, want 192.0.2.4:51822;"
                    + " our key is \(Self.key(2).short)…, want \(Self.key(9).short)…)",
                "close tunnel d->x (not in the document)",
            ])
        observed.tunnelServer = ObservedTunnelServer(
            differences: ["authorized_keys differs", "not running"], process: nil, sessions: 0)
        #expect(
            steps(DesiredNode(tunnelServer: Self.server), observed).first
                == "set tunnel server: port 51822, for nobody (authorized_keys differs; not running)"
        )
        #expect(
            steps(.bare, observed).last
                == "remove the tunnel server (no tunnel ends here any more)")
    }

    @Test("that leave nothing to do once they are taken")
    func converges() throws {
        let pool = try ["a->x", "b->x", "c->x", "d->x"].flatMap { edge in
            [try tunnel(edge), try tunnel(edge) { $0.target = .unix("/run/x") }]
        }
        var random = SplitMix(3)
        for _ in 0..<500 {
            let pick = { (random: inout SplitMix) -> [DesiredTunnel] in
                var edges: Set<String> = []
                return pool.shuffled(using: &random).prefix(4).filter {
                    edges.insert($0.edge).inserted
                }
            }
            var before = ObservedNode.bare
            before.tunnels = pick(&random).map {
                ObservedTunnel(tunnel: $0, state: .up, since: 0)
            }
            if Bool.random(using: &random) {
                before.tunnelServer = ObservedTunnelServer(
                    differences: Bool.random(using: &random) ? ["x"] : [], process: 1, sessions: 0)
            }
            let desired = DesiredNode(
                tunnels: pick(&random),
                tunnelServer: Bool.random(using: &random) ? Self.server : nil
            )
            var model = ModelNode(before)
            model.apply(Differ.plan(mesh: "lab", desired: desired, observed: before, now: 0))
            #expect(model.failures.isEmpty)
            #expect(steps(desired, model.node).isEmpty)
        }
    }

    @Test("and a key's text as OpenSSH writes it goes back and forth, and nothing else is taken")
    func openSSHText() throws {
        let key = Self.key(7)
        #expect(
            key.openSSHText
                == "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
        )
        #expect(PublicKey(openSSHText: key.openSSHText + " root@db") == key)
        for text in [
            "", "ssh-ed25519", "ssh-rsa \(Base64.encode(key.openSSHBlob))",
            "ssh-ed25519 \(Base64.encode(key.openSSHBlob + [0]))",
            "ssh-ed25519 \(Base64.encode(Array(key.openSSHBlob.dropLast())))",
        ] {
            #expect(PublicKey(openSSHText: text) == nil, "\(text)")
        }
    }
}
