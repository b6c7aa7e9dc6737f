import Glibc
import LinuxSystem
import MeshModel
import Testing

/// A mesh of five in which every peering carries an edge, and three tunnels go crosswise.
struct FleetLab {
    /// Two nodes that are peers, the one that calls first.
    struct Pair: Sendable {
        let from: String
        let to: String
        /// The overlay address of the one that is called.
        let address: String
    }

    /// A tunnel: who calls, and on which port of its own.
    struct Tunnel: Sendable {
        let from: String
        let to: String
        let port: Int
    }

    let world: RotationLab
    let mesh: String

    static let names = ["ant", "bee", "cow", "doe", "elk"]
    static let tunnels = [
        Tunnel(from: "ant", to: "bee", port: 7010), Tunnel(from: "cow", to: "doe", port: 7011),
        Tunnel(from: "elk", to: "ant", port: 7012),
    ]
    /// Every peering once.
    static let pairs = names.enumerated().flatMap { number, from in
        names[(number + 1)...].enumerated().map { offset, to in
            Pair(from: from, to: to, address: "10.88.0.\(number + offset + 2)")
        }
    }

    private static var tail: String {
        var services = ""
        var runs = ""
        for name in names {
            services += "  echo-\(name): { on: \(name), kind: tcp, port: 7001 }\n"
            runs +=
                "    echo-\(name): { run: [/usr/bin/python3, \(Traffic.program), serve, 7001, 0.0.0.0] }\n"
        }
        for tunnel in tunnels {
            let sink = "sink-\(tunnel.port)"
            services +=
                "  \(sink): { on: \(tunnel.to), kind: tcp, port: \(tunnel.port), bind: loopback }\n"
            runs +=
                "    \(sink): { run: [/usr/bin/python3, \(Traffic.program), serve, \(tunnel.port)] }\n"
        }
        let edges =
            pairs.map { "      - \($0.from) -> echo-\($0.to): wireguard\n" }
            + tunnels.map { "      - \($0.from) -> sink-\($0.port): ssh\n" }
        return """
            services:
            \(services)paths:
              all:
                carries: [documents]
                edges:
            \(edges.joined())lab:
              services:
            \(runs)
            """
    }

    init(_ mesh: String) throws {
        self.mesh = mesh
        world = try RotationLab(mesh, hosts: Self.names, tail: Self.tail)
    }
}
