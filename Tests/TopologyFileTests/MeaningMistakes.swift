import TopologyFile

/// Mistakes in what the file means: names, addresses, edges and peerings against each other.
enum MeaningMistakes {
    static let all: [Mistake] = names + addresses + machines + services + edges + forbid + peerings

    static let names: [Mistake] = [
        Mistake(
            "a service on an unknown node",
            Samples.file(services: "services:\n  api: { on: §edgee, kind: http }"),
            "there is no node `edgee`", fix: "did you mean `edge`?"),
        Mistake(
            "an edge from nobody", Samples.edges("§webiu -> ollama: wireguard"),
            "there is no node or service `webiu`", fix: "did you mean `webui`?"),
        Mistake(
            "an edge to nobody", Samples.edges("webui -> §olama: wireguard"),
            "there is no service `olama`", fix: "did you mean `ollama`?"),
        Mistake(
            "an edge in quotes to nobody", Samples.edges("\"webui -> §olama\": wireguard"),
            "there is no service `olama`", fix: "did you mean `ollama`?"),
        Mistake(
            "an edge to a node", Samples.edges("webui -> §gpu: wireguard"),
            "`gpu` is a node", fix: "name a service on it: ollama"),
        Mistake(
            "a service called like a node",
            Samples.file(services: "services:\n  §gpu: { on: edge, kind: http }"),
            "same name as a node", fix: "the node is on line 4"),
        Mistake(
            "a forbidden stranger", Samples.file(forbid: "forbid:\n  - phone -> §postgers"),
            "there is no node or service `postgers`", fix: "did you mean `postgres`?"),
    ]

    private static func mesh(_ network: String) -> String {
        Samples.file(mesh: "mesh:\n  name: lab\n  network: \(network)")
    }

    private static func pinned(_ first: String, _ second: String) -> String {
        Samples.file(
            nodes: """
                nodes:
                  edge: { connect: local, endpoint: a.example, address: \(first) }
                  gpu: { connect: ssh://b, endpoint: b.example, address: \(second) }
                """, services: "")
    }

    static let addresses: [Mistake] = [
        Mistake(
            "a network too small for the nodes", mesh("§10.77.0.0/30"),
            "room for 2 nodes, and there are 4", fix: "use 10.77.0.0/29 or wider"),
        Mistake(
            "an IPv6 network too small", mesh("[10.77.0.0/24, §\"fd77::/127\"]"),
            "room for 1 nodes, and there are 4", fix: "use fd77::/125 or wider"),
        Mistake(
            "overlapping networks", mesh("[10.77.0.0/16, §10.77.5.0/24]"),
            "10.77.0.0/16 and 10.77.5.0/24 overlap", fix: "keep one IPv4"),
        Mistake(
            "two networks of a family", mesh("[\"fd77::/64\", §\"fd78::/64\"]"),
            "a second IPv6 network", fix: "keep one IPv4"),
        Mistake("the whole Internet", mesh("§0.0.0.0/0"), "too wide", fix: "private addresses"),
        Mistake(
            "a loopback network", mesh("§127.0.0.0/16"), "is loopback", fix: "private addresses"),
        Mistake(
            "a link-local network", mesh("§\"fe80::/64\""), "is link-local",
            fix: "private addresses"),
        Mistake(
            "a multicast network", mesh("§224.0.0.0/8"), "is multicast", fix: "private addresses"),
        Mistake(
            "a public network", mesh("§203.0.113.0/24"), "is not private", fix: "private addresses",
            severity: .warning),
        Mistake(
            "an endpoint in the overlay",
            Samples.file(
                nodes: "nodes:\n  edge: { connect: local, endpoint: §10.77.0.200 }", services: ""),
            "the endpoint 10.77.0.200 lies in the overlay network 10.77.0.0/24",
            fix: "underlay address"),
        Mistake(
            "a connect address in the overlay",
            Samples.file(
                nodes: "nodes:\n  edge: { connect: §ssh://root@10.77.0.1:22 }", services: ""),
            "the connect address 10.77.0.1 lies in the overlay", fix: "underlay address"),
        Mistake(
            "an IPv6 endpoint in the overlay",
            Samples.file(
                mesh: "mesh: { name: lab, network: \"fd77::/64\" }",
                nodes: "nodes:\n  edge: { connect: local, endpoint: §\"[fd77::9]:51820\" }",
                services: ""),
            "the endpoint fd77::9 lies in the overlay network fd77::/64", fix: "underlay address"),
        Mistake(
            "a pinned address elsewhere", pinned("§10.78.0.1", "10.77.0.2"),
            "10.78.0.1 is not in the overlay network", fix: "choose one in 10.77.0.0/24"),
        Mistake(
            "a pinned address twice", pinned("10.77.0.2", "§10.77.0.2"),
            "already taken by `edge`", fix: "choose another"),
        Mistake(
            "two pinned addresses of one family", pinned("[10.77.0.1, §10.77.0.3]", "10.77.0.2"),
            "second address in one network", fix: "keep one IPv4"),
        Mistake(
            "a pinned broadcast address", pinned("§10.77.0.255", "10.77.0.2"),
            "cannot be a node's", fix: "choose another in 10.77.0.0/24"),
    ]

    private static func nodes(_ lines: String...) -> String {
        Samples.file(
            nodes: "nodes:\n" + lines.map { "  \($0)" }.joined(separator: "\n"), services: "")
    }

    private static let key = "//////////////////////////////////////////8="

    static let machines: [Mistake] = [
        Mistake(
            "a managed node without connect", nodes("§edge: { endpoint: a.example }"),
            "has no `connect`", fix: "connect: ssh://root@HOST"),
        Mistake(
            "a managed node with nothing at all", nodes("§edge:"), "has no `connect`",
            fix: "managed: false"),
        Mistake(
            "a node that joins by itself and has a host key",
            nodes(
                "edge: { connect: join, host_key: §\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" }"
            ), "joins by itself and has a `host_key`", fix: "no command logs in"),
        Mistake(
            "an unmanaged node with connect", nodes("edge: { managed: false, connect: §local }"),
            "the unmanaged node `edge` has `connect`", fix: "remove `connect`"),
        Mistake(
            "an unmanaged node with a guard", nodes("edge: { managed: false, guard: §on }"),
            "has `guard`", fix: "remove `guard`"),
        Mistake(
            "a loopback endpoint", nodes("edge: { connect: local, endpoint: §127.0.0.1 }"),
            "a loopback address", fix: "the other nodes reach"),
        Mistake(
            "a link-local endpoint", nodes("edge: { connect: local, endpoint: §\"fe80::1\" }"),
            "a link-local address", fix: "the other nodes reach"),
        Mistake(
            "a broadcast endpoint", nodes("edge: { connect: local, endpoint: §255.255.255.255 }"),
            "a multicast or broadcast address", fix: "the other nodes reach"),
        Mistake(
            "one machine as two nodes",
            nodes(
                "edge: { connect: ssh://root@192.0.2.1 }",
                "gpu: { connect: §ssh://root@192.0.2.1, endpoint: b.example }"),
            "reached exactly like `edge`", fix: "the other is on line 3"),
        Mistake(
            "two nodes at this machine",
            nodes("edge: { connect: local }", "gpu: { connect: §local }"),
            "reached exactly like `edge`", fix: "the other is on line 3"),
        Mistake(
            "a managed node with a key",
            nodes("edge: { connect: local, public_key: §\(key) }"), "has a `public_key`",
            fix: "makes its own key"),
        Mistake(
            "one key for two nodes",
            nodes(
                "edge: { managed: false, public_key: \(key) }",
                "gpu: { managed: false, public_key: §\(key) }"),
            "same public key as `edge`", fix: "a key of its own"),
        Mistake(
            "one endpoint for two nodes",
            nodes(
                "edge: { connect: ssh://a, endpoint: nat.example }",
                "gpu: { connect: ssh://b, endpoint: §\"NAT.example:51820\" }"),
            "same endpoint as `edge`", fix: "forwarded port"),
    ]

    static let services: [Mistake] = [
        Mistake(
            "a service at the agents' port",
            Samples.file(services: "services:\n  api: { on: edge, kind: http, port: §51820 }"),
            "TCP port 51820 of `edge`'s overlay address is the agents'", fix: "another `port`"),
        Mistake(
            "a service on the overlay at the agents' port",
            Samples.file(
                services: "services:\n  api: { on: edge, kind: http, port: §51820, bind: mesh }"),
            "TCP port 51820 of `edge`'s overlay address is the agents'", fix: "`bind: loopback`"),
        Mistake(
            "two services on one port",
            Samples.file(
                services:
                    "services:\n  a: { on: edge, kind: vllm }\n  §b: { on: edge, kind: triton }"),
            "port 8000 on `edge` is already taken by `a`", fix: "another port"),
        Mistake(
            "two services on one socket",
            Samples.file(
                services: """
                    services:
                      a: { on: edge, kind: http, bind: unix:/run/x }
                      b: { on: edge, kind: http, bind: §unix:/run/x }
                    """),
            "the socket /run/x on `edge` is already taken by `a`", fix: "another port"),
        Mistake(
            "a lab service on a phone",
            Samples.file(
                services: "services:\n  a: { on: phone, kind: http }",
                lab: "lab: { services: { §a: { run: x } } }"),
            "on the unmanaged node `phone`", fix: "remove it from `lab`"),
    ]

    private static let onPhone =
        "services:\n  cam: { on: phone, kind: http }\n  api: { on: phone, kind: tcp, port: 1 }\n  webui: { on: edge, kind: open-webui }"

    static let edges: [Mistake] = [
        Mistake(
            "an edge to itself", Samples.edges("webui -> §webui: local"), "to itself",
            fix: "name two parties"),
        Mistake(
            "wireguard within one node", Samples.edges("edge -> webui: §wireguard"),
            "within one node: both ends are on `edge`", fix: "use local"),
        Mistake(
            "ssh within one node", Samples.edges("db -> postgres: §ssh"),
            "within one node: both ends are on `db`", fix: "use local"),
        Mistake(
            "local across hosts", Samples.edges("webui -> ollama: §local"),
            "goes from `edge` to `gpu`", fix: "use wireguard or ssh"),
        Mistake(
            "local where nobody can look", Samples.edges("cam -> api: §local", services: onPhone),
            "it stays unproven", fix: "make the node managed", severity: .warning),
        Mistake(
            "ssh from an unmanaged node", Samples.edges("§phone -> postgres: ssh"),
            "needs an agent to start the tunnel, and `phone` is unmanaged", fix: "use wireguard"),
        Mistake(
            "ssh to an unmanaged node", Samples.edges("webui -> §cam: ssh", services: onPhone),
            "needs an agent to take the tunnel, and `phone` is unmanaged", fix: "use wireguard"
        ).also,
        Mistake(
            "wireguard to loopback", Samples.edges("webui -> postgres: §wireguard"),
            "listens on loopback only, where wireguard does not reach it", fix: "use ssh"),
        Mistake(
            "tls to a unix socket",
            Samples.edges(
                "gpu -> sock: { via: §tls }",
                services: "services:\n  sock: { on: edge, kind: https, bind: unix:/run/s }"),
            "listens on a unix socket, where tls does not reach it", fix: "use ssh"),
        Mistake(
            "ssh to a service that is open to all",
            Samples.edges(
                "edge -> store: ssh", services: "services:\n  §store: { on: db, kind: redis }"),
            "a clear way in stays open", fix: "bind: loopback", severity: .warning),
        Mistake(
            "an edge twice in a path",
            Samples.edges("webui -> ollama: wireguard", "§webui -> ollama: wireguard"),
            "already in this path", fix: "the first is on line 14"),
        Mistake(
            "an edge carried in two ways",
            Samples.file(
                paths: """
                    paths:
                      a: { edges: [ webui -> ollama: wireguard ] }
                      b: { edges: [ webui -> ollama: §tls ] }
                    """),
            "in another way than on line 12", fix: "the same transport"),
        Mistake(
            "two tunnels with one entrance",
            Samples.edges(
                "edge -> a: { via: ssh, local_port: 7000 }",
                "edge -> b: { via: ssh, local_port: §7000 }",
                services: """
                    services:
                      a: { on: db, kind: redis, bind: loopback }
                      b: { on: gpu, kind: redis, bind: loopback }
                    """),
            "already the entrance of edge->a", fix: "choose another"),
        Mistake(
            "a tunnel that begins at a service's port",
            Samples.edges("webui -> postgres: { via: ssh, local_port: §8080 }"),
            "is the port of `webui`", fix: "choose another"),
        Mistake(
            "two tunnels that begin at their services' one port",
            Samples.edges(
                "edge -> a: ssh", "§edge -> b: ssh",
                services: """
                    services:
                      a: { on: db, kind: redis, bind: loopback }
                      b: { on: gpu, kind: redis, bind: loopback }
                    """),
            "port 6379 on `edge`, where edge->b begins, is already the entrance of edge->a",
            fix: "local_port: PORT"),
        Mistake(
            "a tunnel that begins where a service of the same port listens",
            Samples.edges(
                "§edge -> far: ssh",
                services: """
                    services:
                      near: { on: edge, kind: redis }
                      far: { on: gpu, kind: redis, bind: loopback }
                    """),
            "is the port of `near`", fix: "local_port: PORT"),
        Mistake(
            "a tunnel to a unix socket that begins nowhere",
            Samples.edges(
                "§edge -> sock: ssh",
                services: "services:\n  sock: { on: db, kind: postgres, bind: unix:/run/pg }"),
            "`sock` has no port that the tunnel could begin at on `edge`",
            fix: "local_socket: /path"),
        Mistake(
            "a service on the tunnel server's port",
            Samples.edges(
                "edge -> a: ssh",
                services: """
                    services:
                      a: { on: db, kind: redis, bind: loopback }
                      b: { on: db, kind: tcp, port: §51822 }
                    """),
            "port 51822 on `db` is the tunnel server's", fix: "another `tunnel_port`"),
        Mistake(
            "a tunnel that begins on the tunnel server's port",
            Samples.edges(
                "edge -> a: { via: ssh, local_port: 7000 }",
                "§db -> b: { via: ssh, local_port: 51822 }",
                services: """
                    services:
                      a: { on: db, kind: redis, bind: loopback }
                      b: { on: edge, kind: redis, bind: loopback }
                    """),
            "db->b would begin at port 51822 on `db`", fix: "another `local_port`"),
    ]

    private static func forbidden(_ line: String) -> String {
        Samples.file(
            paths: "paths:\n  chat:\n    edges:\n      - webui -> ollama: wireguard",
            forbid: "forbid:\n  - \(line)")
    }

    static let forbid: [Mistake] = [
        Mistake(
            "an edge that is forbidden", forbidden("§webui -> ollama"),
            "the edge webui->ollama on line 14 needs it", fix: "remove this line"),
        Mistake(
            "an edge whose node is forbidden", forbidden("§edge -> ollama"),
            "what counts is the node",
            fix: "remove this line"),
        Mistake(
            "an edge to whose node all is forbidden", forbidden("§edge -> gpu"), "needs it",
            fix: "remove this line"),
        Mistake(
            "a pair forbidden twice", forbidden("phone -> postgres\n  - §phone -> postgres"),
            "already forbidden", fix: "the first is on line 16"),
        Mistake(
            "a pair on one node", forbidden("§db -> postgres"), "nothing can forbid it",
            fix: "different nodes"),
    ]

    private static func hub(_ value: String, nodes: String? = nil) -> String {
        let mesh = "mesh: { name: lab, network: 10.77.0.0/24, peering: { hub: \(value) } }"
        return nodes.map { Samples.file(mesh: mesh, nodes: $0, services: "") }
            ?? Samples.file(mesh: mesh)
    }

    private static let hidden = """
        nodes:
          edge: { connect: ssh://a }
          gpu: { connect: ssh://b }
          db: { connect: ssh://c, endpoint: c.example }
        """

    static let peerings: [Mistake] = [
        Mistake(
            "an unknown hub", hub("§egde"), "there is no node `egde`", fix: "did you mean `edge`?"),
        Mistake(
            "an unmanaged hub", hub("§phone"), "the hub `phone` is unmanaged", fix: "managed node"
        ).also,
        Mistake(
            "a hub without an endpoint", hub("§edge", nodes: hidden), "has no endpoint",
            fix: "endpoint: HOST"),
        Mistake("a service as a hub", hub("§ollama"), "is a service", fix: "name its node: `gpu`"),
        Mistake(
            "a peering without any endpoint",
            Samples.edges(
                "§edge -> ollama: wireguard",
                services: "services:\n  ollama: { on: gpu, kind: ollama }",
                nodes: hidden),
            "must be peers for the edge edge->ollama, and neither has an endpoint",
            fix: "endpoint: HOST"),
        Mistake(
            "a full mesh with two hidden nodes",
            Samples.file(
                mesh: "mesh: { name: lab, network: 10.77.0.0/24, peering: full }",
                nodes: hidden.replacing("  gpu", with: "  §gpu"), services: ""),
            "`gpu` and `edge` must be peers in a full mesh", fix: "endpoint: HOST"),
        Mistake(
            "a tunnel with nowhere to go",
            Samples.edges(
                "§db -> cache: ssh",
                services: "services:\n  cache: { on: gpu, kind: redis, bind: loopback }",
                nodes: hidden),
            "`gpu` has no endpoint", fix: "over: mesh"),
    ]
}
