import MeshModel
import TestSupport
import Testing

@Suite("Each managed node is told exactly its own part of the mesh")
struct ResolverTests {
    private func inputs(_ topology: Topology, generation: Int = 0) throws -> ResolverInputs {
        let allocation = try OverlayAllocation.allocate(topology)
        var keys: [String: PublicKey] = [:]
        for (number, node) in topology.nodes.enumerated() {
            keys[node.name] = PublicKey(bytes: [UInt8](repeating: UInt8(number + 1), count: 32))
        }
        return ResolverInputs(
            meshID: "00112233445566778899aabbccddeeff", revision: ["edge": 7], issuedAt: 99,
            addresses: allocation.addresses, keys: keys,
            presharedKeys: { PresharedKeyID(rawValue: "\($0.a)+\($0.b)") }, generation: generation)
    }

    private func documents(_ topology: Topology, generation: Int = 0) throws -> [String:
        NodeDocument]
    {
        let all = Resolver.resolve(topology, inputs: try inputs(topology, generation: generation))
        return Dictionary(uniqueKeysWithValues: all.map { ($0.node, $0) })
    }

    @Test("the whole of one document")
    func edge() throws {
        let topology = TopologySamples.stack()
        let documents = try documents(topology)
        #expect(Set(documents.keys) == ["edge", "gpu", "db", "nat"])
        let key = { (byte: UInt8) in PublicKey(bytes: [UInt8](repeating: byte, count: 32)) ?? .zero
        }
        // Tunnels, guards and names have suites of their own.
        var edge = try #require(documents["edge"])
        edge.tunnels = []
        edge.guard = nil
        edge.names = nil
        let mailboxes = DesiredMail(
            port: 51820,
            peers: [
                DesiredMail.Peer(
                    node: "gpu",
                    addresses: TopologySamples.prefixes("10.77.0.2/32", "fd77:6d70::2/128").map(
                        \.address))
            ])
        #expect(
            edge
                == NodeDocument(
                    meshID: "00112233445566778899aabbccddeeff", mesh: "lab", node: "edge",
                    revision: 7,
                    issuedAt: 99,
                    interfaces: [
                        DesiredInterface(
                            name: "mp0-lab", generation: 0, publicKey: key(1), listenPort: 51820,
                            backend: .auto, mtu: nil,
                            addresses: TopologySamples.prefixes("10.77.0.1/32", "fd77:6d70::1/128"),
                            networks: TopologySamples.prefixes("10.77.0.0/24", "fd77:6d70::/64"),
                            peers: [
                                DesiredPeer(
                                    node: "gpu", publicKey: key(2),
                                    presharedKey: PresharedKeyID(rawValue: "edge+gpu"),
                                    endpoint: Endpoint(host: "gpu.example", port: 51820),
                                    allowedIPs: TopologySamples.prefixes(
                                        "10.77.0.2/32", "fd77:6d70::2/128"), keepalive: nil),
                                // The phone calls; it has no endpoint, and keeps its own way open.
                                DesiredPeer(
                                    node: "phone", publicKey: key(5),
                                    presharedKey: PresharedKeyID(rawValue: "edge+phone"),
                                    endpoint: nil,
                                    allowedIPs: TopologySamples.prefixes(
                                        "10.77.0.5/32", "fd77:6d70::5/128"), keepalive: nil),
                            ])
                    ], mail: mailboxes))
        #expect(documents["db"]?.revision == 1)
    }

    @Test("the side without an endpoint keeps its way open, with the mesh's figure or 25 seconds")
    func keepalive() throws {
        var topology = TopologySamples.stack()
        #expect(try documents(topology)["nat"]?.interfaces[0].peers.map(\.keepalive) == [25])
        #expect(
            try documents(topology)["gpu"]?.interfaces[0].peers.map(\.keepalive) == [nil, nil, nil])
        topology.mesh.keepalive = 9
        #expect(try documents(topology)["nat"]?.interfaces[0].peers.map(\.keepalive) == [9])
    }

    @Test("odd generations use the next port everywhere, forwarded ports too")
    func generations() throws {
        var topology = TopologySamples.stack()
        topology.nodes[1].endpointPort = 41820
        let edge = try #require(try documents(topology, generation: 3)["edge"]?.interfaces.first)
        #expect(edge.name == "mp3-lab")
        #expect(edge.listenPort == 51821)
        #expect(edge.peers[0].endpoint?.port == 41821)
        #expect(
            try documents(topology, generation: 4)["edge"]?.interfaces[0].peers[0].endpoint?.port
                == 41820)
    }

    @Test("through a hub, a spoke has one peer that leads everywhere, and the hub knows each spoke")
    func hub() throws {
        let topology = TopologySamples.stack(peering: .hub("gpu"))
        let documents = try documents(topology)
        let spoke = try #require(documents["edge"]?.interfaces.first)
        #expect(spoke.peers.map(\.node) == ["gpu"])
        #expect(spoke.peers[0].allowedIPs == topology.mesh.networks)
        let hub = try #require(documents["gpu"]?.interfaces.first)
        #expect(hub.peers.map(\.node) == ["db", "edge", "nat", "phone"])
        #expect(
            hub.peers.allSatisfy { $0.allowedIPs.count == 2 && $0.allowedIPs.allSatisfy(\.isHost) })
    }

    @Test("a key that is not made yet is all zero")
    func missingKeys() throws {
        let topology = TopologySamples.stack()
        var inputs = try inputs(topology)
        inputs.keys = [:]
        let interfaces = Resolver.resolve(topology, inputs: inputs).flatMap(\.interfaces)
        #expect(
            interfaces.allSatisfy {
                $0.publicKey == .zero && $0.peers.allSatisfy { $0.publicKey == .zero }
            })
    }

    @Test(
        "random meshes: both ends of a peering agree, peers are sorted, and no address has two owners"
    )
    func symmetric() throws {
        var random = SplitMix(13)
        for _ in 0..<200 {
            let topology = TopologySamples.random(&random)
            let inputs = try inputs(topology)
            let all = Resolver.resolve(topology, inputs: inputs)
            #expect(all.map(\.node) == topology.nodes.filter(\.managed).map(\.name))
            let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.node, $0.interfaces[0]) })
            let expected = topology.peerings().reduce(into: 0) { count, pair in
                count += (byName[pair.a] == nil ? 0 : 1) + (byName[pair.b] == nil ? 0 : 1)
            }
            #expect(byName.values.reduce(0) { $0 + $1.peers.count } == expected)
            for (name, interface) in byName {
                let names = interface.peers.map(\.node)
                #expect(names == Set(names).sorted() && !names.contains(name))
                let allowed = interface.peers.flatMap(\.allowedIPs)
                #expect(Set(allowed).count == allowed.count)
                for peer in interface.peers {
                    let own = (inputs.addresses[peer.node] ?? []).map(IPPrefix.init(host:))
                    #expect(
                        peer.allowedIPs == own
                            || topology.mesh.peering == .hub(peer.node)
                                && peer.allowedIPs == topology.mesh.networks
                    )
                    guard let other = byName[peer.node] else { continue }
                    let back = try #require(other.peers.first { $0.node == name })
                    #expect(back.presharedKey == peer.presharedKey)
                    #expect(back.publicKey == interface.publicKey)
                    #expect(other.publicKey == peer.publicKey)
                    // A way that only one side can open is kept open by the other, never by both.
                    #expect(peer.keepalive == nil || back.keepalive == nil)
                    let isOneSided = (peer.endpoint == nil) != (back.endpoint == nil)
                    #expect((peer.keepalive != nil || back.keepalive != nil) == isOneSided)
                }
            }
        }
    }
}
