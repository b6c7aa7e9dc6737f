import MeshModel
import Testing

@Suite("A node knows the names of those that it is joined with")
struct NamesTests {
    static func topology(_ peering: Mesh.Peering, names: Bool = true) -> Topology {
        Topology(
            mesh: Mesh(
                name: "home", networks: [IPPrefix("10.77.0.0/24")].compactMap { $0 },
                peering: peering, namesEnabled: names),
            nodes: ["edge", "gpu", "db"].map {
                Node(name: $0, connect: .ssh(user: nil, host: $0, port: nil), endpoint: $0)
            } + [Node(name: "phone", managed: false)],
            services: [
                Service(name: "webui", node: "edge", kind: "open-webui", port: 8080),
                Service(name: "ollama", node: "gpu", kind: "ollama", port: 11434, bind: .mesh),
                Service(name: "pg", node: "db", kind: "postgres", port: 5432, bind: .loopback),
            ],
            paths: [
                Path(
                    name: "chat",
                    edges: [
                        Edge(from: "phone", to: "webui", via: .wireguard),
                        Edge(from: "webui", to: "ollama", via: .wireguard),
                        Edge(from: "webui", to: "pg", via: .ssh),
                    ])
            ])
    }

    static func known(_ topology: Topology) throws -> [String: [String]] {
        let addresses = try OverlayAllocation.allocate(topology).addresses
        return NamesResolver(topology, addresses: addresses).resolve().mapValues { names in
            names.entries.map { "\($0.address) " + $0.names.joined(separator: " ") }
        }
    }

    @Test("by paths: itself and its peers, with the services that the mesh can reach there")
    func paths() throws {
        let edge = "10.77.0.1 edge.home webui.home"
        let gpu = "10.77.0.2 gpu.home ollama.home"
        // The tunnel over the underlay makes no peers, and pg is at no overlay address.
        #expect(
            try Self.known(Self.topology(.paths)) == [
                "edge": [edge, gpu, "10.77.0.4 phone.home"], "gpu": [edge, gpu],
                "db": ["10.77.0.3 db.home"],
            ])
    }

    @Test("behind a hub: the hub, and those that an edge joins it with")
    func hub() throws {
        let known = try Self.known(Self.topology(.hub("db")))
        #expect(known["gpu"]?.count == 3)
        #expect(known["db"]?.count == 4)
        #expect(try Self.known(Self.topology(.full)).values.allSatisfy { $0.count == 4 })
    }

    @Test("off is off, and takes away what is there")
    func off() throws {
        #expect(try Self.known(Self.topology(.paths, names: false)).isEmpty)
        var observed = ObservedNode.bare
        observed.names = ObservedNames(differences: [])
        let steps = Differ.plan(mesh: "home", desired: DesiredNode.bare, observed: observed, now: 0)
        #expect(steps.map(\.change) == [.removeNames])
    }

    @Test("names that differ are set anew, after all else")
    func differs() {
        let wanted = DesiredNames(entries: [])
        var observed = ObservedNode.bare
        let desired = DesiredNode(names: wanted)
        func plan() -> [Change] {
            Differ.plan(mesh: "home", desired: desired, observed: observed, now: 0).map(\.change)
        }
        #expect(plan() == [.setNames(names: wanted)])
        observed.names = ObservedNames(differences: ["x is missing"])
        #expect(plan() == [.setNames(names: wanted)])
        observed.names = ObservedNames(differences: [])
        #expect(plan().isEmpty)
    }
}
