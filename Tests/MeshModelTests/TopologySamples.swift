import MeshModel
import TestSupport

/// Topologies made of values, and random ones.
enum TopologySamples {
    static func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }

    static func mesh(
        _ networks: [IPPrefix] = prefixes("10.77.0.0/24", "fd77:6d70::/64"),
        peering: Mesh.Peering = .paths
    ) -> Mesh { Mesh(name: "lab", networks: networks, peering: peering) }

    static func nodes(_ names: String...) -> [Node] {
        names.map {
            Node(name: $0, connect: .ssh(user: nil, host: $0, port: nil), endpoint: "\($0).example")
        }
    }

    /// The example of the design: four nodes and a phone.
    static func stack(peering: Mesh.Peering = .paths) -> Topology {
        Topology(
            mesh: mesh(peering: peering),
            nodes: nodes("edge", "gpu", "db") + [
                Node(name: "nat", connect: .local), Node(name: "phone", managed: false),
            ],
            services: [
                Service(name: "webui", node: "edge", kind: "open-webui", port: 8080),
                Service(name: "ollama", node: "gpu", kind: "ollama", port: 11434),
                Service(
                    name: "postgres", node: "db", kind: "postgres", port: 5432, bind: .loopback),
                Service(name: "registry", node: "db", kind: "https", port: 443),
            ],
            paths: [
                Path(
                    name: "chat",
                    edges: [
                        Edge(from: "phone", to: "webui", via: .wireguard),
                        Edge(from: "webui", to: "ollama", via: .wireguard),
                        Edge(from: "webui", to: "postgres", via: .ssh),
                        Edge(from: "nat", to: "ollama", via: .wireguard),
                    ]),
                Path(
                    name: "rag",
                    edges: [
                        Edge(from: "webui", to: "ollama", via: .wireguard),
                        Edge(from: "gpu", to: "postgres", via: .ssh, options: ["over": "mesh"]),
                        Edge(from: "gpu", to: "registry", via: .mtls),
                        Edge(from: "db", to: "registry", via: .local),
                    ]),
            ])
    }

    /// A topology of up to `limit` nodes with random endpoints, edges and peering.
    static func random(_ random: inout SplitMix, limit: Int = 12) -> Topology {
        let count = Int.random(in: 1...limit, using: &random)
        let nodes = (0..<count).map { number in
            Node(
                name: "n\(number)", managed: Int.random(in: 0..<5, using: &random) > 0,
                endpoint: Bool.random(using: &random) ? "host\(number)" : nil)
        }.shuffled(using: &random)
        let services = nodes.map {
            Service(name: "s-\($0.name)", node: $0.name, kind: "http", port: 80)
        }
        let edges = (0..<Int.random(in: 0...20, using: &random)).map { _ in
            Edge(
                from: (Bool.random(using: &random) ? "" : "s-")
                    + nodes.randomElement(using: &random)!.name,
                to: services.randomElement(using: &random)!.name,
                via: Transport.allCases.randomElement(using: &random)!,
                options: Bool.random(using: &random) ? ["over": "mesh"] : [:])
        }
        let hub = nodes.randomElement(using: &random)!.name
        let peering: Mesh.Peering = [.paths, .full, .hub(hub)].randomElement(using: &random)!
        return Topology(
            mesh: mesh(peering: peering), nodes: nodes, services: services,
            paths: [Path(name: "p", edges: edges)])
    }
}
