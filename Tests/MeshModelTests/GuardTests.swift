import MeshModel
import TestSupport
import Testing

@Suite("A guard is resolved from edges and services")
struct GuardTests {
    private func guards(_ topology: Topology) throws -> [String: DesiredGuard] {
        GuardResolver(
            topology, addresses: try OverlayAllocation.allocate(topology).addresses
        ).resolve()
    }

    /// What a guard admits besides questions for mail.
    private func ofEdges(_ wanted: DesiredGuard?) -> [GuardFlow]? {
        wanted?.admitted.filter { $0.port != 51820 }
    }

    private func flows(_ texts: String...) throws -> [GuardFlow] {
        try texts.map { text in
            let parts = text.split(separator: " ").map(String.init)
            return GuardFlow(
                from: try #require(IPAddress(parts[0])), to: try #require(IPAddress(parts[1])),
                port: try #require(UInt16(parts[2])))
        }
    }

    @Test(
        "the sources of declared edges may come in, and nobody else; an unmanaged node's count too")
    func admits() throws {
        let all = try guards(TopologySamples.stack())
        #expect(Set(all.keys) == ["edge", "gpu", "db", "nat"])
        // edge .1, gpu .2, db .3, nat .4, phone .5
        #expect(
            ofEdges(all["edge"])
                == (try flows(
                    "10.77.0.5 10.77.0.1 8080", "fd77:6d70::5 fd77:6d70::1 8080")))
        #expect(
            ofEdges(all["gpu"])
                == (try flows(
                    "10.77.0.1 10.77.0.2 11434", "10.77.0.4 10.77.0.2 11434",
                    "fd77:6d70::1 fd77:6d70::2 11434", "fd77:6d70::4 fd77:6d70::2 11434")))
        // The tunnel over the mesh ends at the tunnel server; the one over the underlay needs nothing here.
        #expect(
            ofEdges(all["db"])?.filter { $0.to.family == .ipv4 }
                == (try flows("10.77.0.2 10.77.0.3 443", "10.77.0.2 10.77.0.3 51822")))
        #expect(ofEdges(all["nat"]) == [])
        #expect(
            all["edge"]?.reachable.map(\.description) == [
                "10.77.0.2:11434", "[fd77:6d70::2]:11434",
            ])
    }

    @Test("services are shielded, and so are entrances of tunnels; not what an edge reaches by TLS")
    func shields() throws {
        let all = try guards(TopologySamples.stack())
        func ports(_ node: String) -> [String]? {
            all[node]?.shielded.map { "\($0.kind.rawValue) \($0.port)" }
        }
        #expect(ports("edge") == ["tcp 5432", "tcp 8080", "udp 8080"])
        #expect(ports("gpu") == ["tcp 5432", "tcp 11434", "udp 11434"])
        #expect(ports("db") == ["tcp 5432", "udp 5432"])
        #expect(ports("nat") == [])
    }

    @Test("what a node is managed and meshed by is never shielded, whatever services say")
    func neverShields() throws {
        var topology = TopologySamples.stack()
        topology.nodes[0].connect = .ssh(user: nil, host: "edge", port: 2222)
        for port: UInt16 in [22, 2222, 51820, 51821, 51822] {
            topology.services.append(
                Service(name: "s\(port)", node: "edge", kind: "tcp", port: port))
        }
        let all = try guards(topology)
        let shielded = Set((all["edge"]?.shielded ?? []).map { "\($0.kind.rawValue) \($0.port)" })
        // WireGuard is UDP: TCP of the same number is another matter.
        #expect(
            shielded == [
                "tcp 5432", "tcp 8080", "udp 8080", "tcp 51820", "tcp 51821",
            ])
        let resolver = GuardResolver(topology, addresses: [:])
        for service in topology.services {
            let isClosed = all[service.node]?.shielded.contains(ShieldedPort(.tcp, service.port))
            #expect((resolver.reasonNotToShield(service) == nil) == isClosed, "\(service.name)")
        }
    }

    @Test("management through the mesh stays open")
    func managementByMesh() throws {
        var topology = TopologySamples.stack()
        topology.nodes[1].connect = .ssh(user: "root", host: "10.77.0.2", port: nil)
        topology.nodes[2].connect = .ssh(user: "root", host: "198.51.100.2", port: nil)
        let all = try guards(topology)
        #expect(all["gpu"]?.managementPort == 22)
        #expect(all["db"]?.managementPort == nil)
    }

    @Test("managed peers may ask a node for its mail, and nobody else may")
    func mail() throws {
        let topology = TopologySamples.stack()
        let addresses = try OverlayAllocation.allocate(topology).addresses
        let asked = try #require(try guards(topology)["edge"]).admitted.filter { $0.port == 51820 }
        // The phone is a peer of edge, and has no agent.
        #expect(Set(asked.map(\.from)) == Set(addresses["gpu"] ?? []))
        #expect(Set(asked.map(\.to)) == Set(addresses["edge"] ?? []))
        #expect(asked.count == 2)
        let hub = try guards(TopologySamples.stack(peering: .hub("db")))
        let spoke = try #require(hub["edge"]).admitted.filter { $0.port == 51820 }
        #expect(Set(spoke.map(\.from)) == Set(addresses["db"] ?? []))
        #expect(
            hub["db"]?.admitted.allSatisfy {
                $0.port != 51820 || addresses["db"]?.contains($0.to) == true
            } == true)
    }

    @Test("a hub lets pass what edges between its spokes declare, and the spokes let in the same")
    func hub() throws {
        let all = try guards(TopologySamples.stack(peering: .hub("db")))
        let passing = ofEdges(all["db"])?.filter { $0.to.description == "10.77.0.2" }
        #expect(
            passing
                == (try flows("10.77.0.1 10.77.0.2 11434", "10.77.0.4 10.77.0.2 11434")))
        #expect(ofEdges(try guards(TopologySamples.stack())["gpu"]) == ofEdges(all["gpu"]))
    }

    @Test(
        "a mesh without edges lets nothing in but questions for mail, however its nodes peer",
        arguments: [0, 1])
    func noEdges(peering: Int) throws {
        var topology = TopologySamples.stack(peering: peering == 0 ? .full : .hub("db"))
        topology.paths = []
        for wanted in try guards(topology).values {
            #expect(wanted.admitted.allSatisfy { $0.port == topology.mesh.port })
            #expect(wanted.reachable.isEmpty)
        }
    }

    @Test("on or off for the mesh, and otherwise for a node")
    func switches() throws {
        var topology = TopologySamples.stack()
        topology.nodes[1].guardEnabled = false
        #expect(Set(try guards(topology).keys) == ["edge", "db", "nat"])
        topology.mesh.guardEnabled = false
        topology.nodes[0].guardEnabled = true
        #expect(Set(try guards(topology).keys) == ["edge"])
    }

    @Test(
        "whatever the topology: flows are of edges, between overlay addresses, to who has a guard")
    func properties() throws {
        for seed in 0..<300 {
            var random = SplitMix(UInt64(seed))
            let topology = TopologySamples.random(&random)
            let addresses = try OverlayAllocation.allocate(topology).addresses
            let index = PartyIndex(topology)
            let owners = Dictionary(
                addresses.flatMap { name, list in list.map { ($0, name) } },
                uniquingKeysWith: { first, _ in first })
            var hub: String?
            if case .hub(let name) = topology.mesh.peering { hub = name }
            for (name, wanted) in GuardResolver(topology, addresses: addresses).resolve() {
                #expect(index.node(name)?.managed == true)
                #expect(wanted.addresses == addresses[name])
                #expect(wanted.admitted == wanted.admitted.sorted())
                for flow in wanted.admitted {
                    #expect(flow.from.family == flow.to.family)
                    let (from, to) = (owners[flow.from], owners[flow.to])
                    #expect(from != to && (to == name || name == hub))
                    let peers = topology.peerings()
                    if flow.port == topology.mesh.port, let from, let to {
                        #expect(to == name && peers.contains(Peering(from, to)))
                        #expect(index.node(from)?.managed == true)
                        continue
                    }
                    #expect(
                        topology.edges.contains {
                            index.owner(of: $0.from) == from && index.owner(of: $0.to) == to
                                && $0.via != .local
                        })
                }
                #expect(!wanted.shielded.contains(ShieldedPort(.tcp, Ownership.sshPort)))
            }
        }
    }

    @Test("it is set before all else, and goes after all else")
    func order() throws {
        let topology = TopologySamples.stack()
        let inputs = ResolverInputs(
            meshID: "", issuedAt: 0,
            addresses: try OverlayAllocation.allocate(topology).addresses,
            keys: Dictionary(
                uniqueKeysWithValues: topology.nodes.enumerated().map { number, node in
                    (node.name, PlanWorld.key(number + 1))
                }))
        let document = try #require(
            Resolver.resolve(topology, inputs: inputs).first { $0.node == "gpu" })
        let steps = Differ.plan(document, observed: .bare, now: 0)
        let first = try #require(steps.first)
        #expect(
            first.summary == "set the guard: 2 ports open to the mesh, ports 5432, 11434 shielded")
        #expect(first.reason == "there is none")
        var model = ModelNode(.bare)
        model.apply(steps)
        #expect(Differ.plan(document, observed: model.node, now: 0).isEmpty)
        let removal = Differ.plan(mesh: "lab", desired: .bare, observed: model.node, now: 0)
        #expect(removal.last?.change == .removeGuard)
        var drifted = model.node
        drifted.guard?.differences = ["set edges4 lacks 10.77.0.1 . 10.77.0.2 . 11434"]
        let repair = Differ.plan(document, observed: drifted, now: 0)
        #expect(repair.map(\.change) == [.setGuard(guard: try #require(document.guard))])
        #expect(repair.map(\.reason) == ["set edges4 lacks 10.77.0.1 . 10.77.0.2 . 11434"])
    }
}
