import MeshModel
import PeerFiles
import Testing

@Suite("An unmanaged node is handed exactly what its edges need")
struct ProfileTests {
    static let topology = Topology(
        mesh: Mesh(
            name: "home",
            networks: [IPPrefix("10.77.0.0/24"), IPPrefix("fd77::/64")].compactMap { $0 }),
        nodes: [
            Node(name: "edge", connect: .local, endpoint: "198.51.100.11"),
            Node(
                name: "gpu", connect: .ssh(user: nil, host: "gpu", port: nil),
                endpoint: "2001:db8::2", endpointPort: 41820),
            Node(name: "db", connect: .ssh(user: nil, host: "db", port: nil)),
            Node(name: "phone", managed: false),
        ],
        services: [
            Service(name: "webui", node: "edge", kind: "open-webui", port: 8080),
            Service(name: "ollama", node: "gpu", kind: "ollama", port: 11434),
        ],
        paths: [
            Path(
                name: "chat",
                edges: [
                    Edge(from: "phone", to: "webui", via: .wireguard),
                    Edge(from: "webui", to: "ollama", via: .wireguard),
                ])
        ])
    static let keys: [String: PublicKey] = [
        "edge": key(1), "gpu": key(2), "db": key(3), "phone": key(4),
    ]
    static func key(_ byte: UInt8) -> PublicKey {
        PublicKey(bytes: [UInt8](repeating: byte, count: 32)) ?? .zero
    }

    static func inputs() throws -> ResolverInputs {
        ResolverInputs(
            meshID: "", issuedAt: 0,
            addresses: try OverlayAllocation.allocate(topology).addresses, keys: keys)
    }

    @Test("by paths: one peer, its addresses alone, kept alive; golden text")
    func paths() throws {
        let interface = try #require(
            Resolver.handedInterface("phone", in: Self.topology, inputs: Self.inputs()))
        var profile = WireGuardProfile(interface, title: "phone in the mesh home")
        profile.listenPort = nil
        profile.dns = ["10.77.0.1"]
        profile.mtu = 1380
        #expect(
            profile.wgQuick(.key("SECRET")) == """
                # phone in the mesh home
                [Interface]
                PrivateKey = SECRET
                Address = 10.77.0.4/32, fd77::4/128
                DNS = 10.77.0.1
                MTU = 1380

                [Peer]
                # edge
                PublicKey = \(Self.key(1))
                Endpoint = 198.51.100.11:51820
                AllowedIPs = 10.77.0.1/32, fd77::1/128
                PersistentKeepalive = 25

                """)
        #expect(profile.wgQuick(.placeholder).contains("\n# PrivateKey = "))
    }

    @Test("behind a hub: only the hub and the nodes that an edge joins it with")
    func hub() throws {
        var topology = Self.topology
        topology.mesh.peering = .hub("edge")
        topology.paths[0].edges.append(Edge(from: "phone", to: "ollama", via: .wireguard))
        let interface = try #require(
            Resolver.handedInterface("phone", in: topology, inputs: Self.inputs()))
        #expect(interface.peers.map(\.node) == ["edge"])
        #expect(
            interface.peers[0].allowedIPs.map(\.description)
                == ["10.77.0.1/32", "fd77::1/128", "10.77.0.2/32", "fd77::2/128"])
    }

    @Test("a gateway takes everything; the other peers keep their own")
    func gateway() throws {
        var topology = Self.topology
        topology.paths[0].edges.append(Edge(from: "phone", to: "ollama", via: .wireguard))
        let interface = try #require(
            Resolver.handedInterface(
                "phone", in: topology, inputs: Self.inputs(), gateway: "gpu"))
        #expect(interface.peers.map(\.node) == ["edge", "gpu"])
        #expect(interface.peers[1].allowedIPs.map(\.description) == ["0.0.0.0/0", "::/0"])
        #expect(interface.peers[1].endpoint?.description == "[2001:db8::2]:41820")
        #expect(interface.peers[0].allowedIPs.count == 2)
    }

    @Test("a managed node is handed nothing, and a peer without a key is left out")
    func refusals() throws {
        #expect(
            Resolver.handedInterface("gpu", in: Self.topology, inputs: try Self.inputs()) == nil)
        var inputs = try Self.inputs()
        inputs.keys["edge"] = nil
        let interface = Resolver.handedInterface("phone", in: Self.topology, inputs: inputs)
        #expect(interface?.peers.isEmpty == true)
    }

    @Test("networkd gets the same in its own words")
    func networkd() throws {
        let interface = try #require(
            Resolver.handedInterface("phone", in: Self.topology, inputs: Self.inputs()))
        let files = WireGuardProfile(interface, title: "phone").networkd(
            interface: "mp0-home", keyFile: "/etc/key")
        #expect(
            files.netdev.contains(
                "[WireGuardPeer]\nPublicKey=\(Self.key(1))\nEndpoint=198.51.100.11:51820\nAllowedIPs=10.77.0.1/32,fd77::1/128\nPersistentKeepalive=25\n"
            ))
        #expect(files.netdev.contains("Name=mp0-home\nKind=wireguard\n"))
        #expect(files.network.contains("Address=10.77.0.4/32\nAddress=fd77::4/128\n"))
        #expect(files.network.contains("Destination=fd77::1/128"))
    }
}
