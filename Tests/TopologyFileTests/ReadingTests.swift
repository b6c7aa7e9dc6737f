import MeshModel
import Testing
import TopologyFile

@Suite("A correct topology is read as it was written")
struct ReadingTests {
    @Test("the starter parses and checks clean, whatever its name")
    func starter() throws {
        for (name, used) in [
            ("lab", "lab"), ("a-b", "a-b"), ("Not A Name", "homelab"), ("", "homelab"),
        ] {
            let outcome = Samples.parse(TopologyFile.starter(mesh: name))
            #expect(outcome.diagnostics.map(\.description) == [])
            let topology = try #require(outcome.topology)
            #expect(topology.mesh.name == used)
            #expect(
                topology.edges.map(\.id) == ["phone->webui", "webui->ollama", "webui->postgres"])
        }
    }

    @Test("every part arrives, in the file's order")
    func everything() throws {
        let text = """
            mesh:
              name: lab
              network: [10.77.0.0/24, fd77:6d70::/64]
              port: 4000
              peering: { hub: edge }
              keepalive: 15
              mtu: 1400
              guard: off
              rotate: every 2w
            nodes:
              edge: { connect: local, endpoint: edge.example, address: 10.77.0.9 }
              gpu:
                connect: ssh://admin@[2001:db8::2]:2222
                endpoint: "[2001:DB8::2]:41820"
                addresses: ["fd77:6d70::7", 10.77.0.7]
                host_key: SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
                backend: userspace
                guard: yes
              nat: { connect: ssh://my_alias }
              phone: { managed: false, public_key: //////////////////////////////////////////8= }
            services:
              webui: { on: edge, kind: open-webui, bind: mesh }
              cache: { on: gpu, kind: redis, bind: 127.0.0.1, port: 6380 }
              db: { on: nat, kind: postgres, bind: unix:/run/postgresql/.s.PGSQL.5432 }
              api: { on: gpu, kind: https, bind: 0.0.0.0 }
            paths:
              chat:
                carries: prompts
                edges:
                  - phone -> webui: wireguard
                  - webui->cache: { via: ssh, over: mesh, local_socket: /run/cache }
                  - nat -> api: { via: mtls, min: TLS1.3, ca: ca.pem, cert: c.pem, key: c.key, name: api.example }
            forbid: [ phone -> cache, phone -> nat ]
            lab:
              services:
                webui: { prepare: mkdir /tmp/w, run: [busybox, httpd, ""], user: nobody }
            """
        let outcome = Samples.parse(text)
        #expect(outcome.diagnostics.map(\.description) == [])
        let read = try #require(outcome.topology)
        let networks = [IPPrefix("10.77.0.0/24"), IPPrefix("fd77:6d70::/64")].compactMap { $0 }
        #expect(
            read.mesh
                == Mesh(
                    name: "lab", networks: networks, port: 4000, peering: .hub("edge"),
                    keepalive: 15,
                    mtu: 1400, guardEnabled: false, rotation: RotationSchedule("every 2w")))
        #expect(read.mesh.rotation?.seconds == 1_209_600)
        let addresses = ["10.77.0.9", "10.77.0.7", "fd77:6d70::7"].compactMap { IPAddress($0) }
        #expect(
            read.nodes == [
                Node(
                    name: "edge", connect: .local, endpoint: "edge.example",
                    addresses: [addresses[0]]),
                Node(
                    name: "gpu", connect: .ssh(user: "admin", host: "2001:db8::2", port: 2222),
                    endpoint: "2001:db8::2", endpointPort: 41820, addresses: Array(addresses[1...]),
                    hostKey: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
                    backend: .userspace, guardEnabled: true),
                Node(name: "nat", connect: .ssh(user: nil, host: "my_alias", port: nil)),
                Node(
                    name: "phone", managed: false,
                    publicKey: PublicKey(bytes: [UInt8](repeating: 0xff, count: 32))),
            ])
        #expect(
            read.services == [
                Service(name: "webui", node: "edge", kind: "open-webui", port: 8080, bind: .mesh),
                Service(
                    name: "cache", node: "gpu", kind: "redis", port: 6380,
                    bind: .address(IPAddress(ipv4: 0x7f00_0001))),
                Service(
                    name: "db", node: "nat", kind: "postgres", port: 0,
                    bind: .unix("/run/postgresql/.s.PGSQL.5432")),
                Service(name: "api", node: "gpu", kind: "https", port: 443, bind: .any),
            ])
        #expect(
            read.paths == [
                Path(
                    name: "chat", carries: ["prompts"],
                    edges: [
                        Edge(from: "phone", to: "webui", via: .wireguard),
                        Edge(
                            from: "webui", to: "cache", via: .ssh,
                            options: ["over": "mesh", "local_socket": "/run/cache"]),
                        Edge(
                            from: "nat", to: "api", via: .mtls,
                            options: [
                                "min": "TLS1.3", "ca": "ca.pem", "cert": "c.pem", "key": "c.key",
                                "name": "api.example",
                            ]),
                    ])
            ])
        #expect(
            read.forbid == [
                ForbiddenEdge(from: "phone", to: "cache"), ForbiddenEdge(from: "phone", to: "nat"),
            ])
        #expect(
            read.lab == [
                "webui": LabService(
                    prepare: ["/bin/sh", "-c", "mkdir /tmp/w"], run: ["busybox", "httpd", ""],
                    user: "nobody")
            ])
    }

    @Test(
        "any number of nodes may join by themselves; what is within its node may have the agents' port"
    )
    func joins() throws {
        let outcome = Samples.parse(
            Samples.file(
                nodes: """
                    nodes:
                      edge: { connect: ssh://a }
                      lap: { connect: join }
                      nas: { connect: join, endpoint: nas.example }
                      phone: { managed: false }
                    """,
                services: """
                    services:
                      web: { on: lap, kind: http, port: 51820, bind: loopback }
                      out: { on: nas, kind: http, port: 51820, bind: 192.0.2.9 }
                      app: { on: phone, kind: http, port: 51820 }
                    """))
        #expect(outcome.diagnostics.map(\.description) == [])
        let topology = try #require(outcome.topology)
        #expect(topology.nodes.map(\.isReachedByMail) == [false, true, true, false])
        #expect(topology.contactedNodes.map(\.name) == ["edge"])
        #expect(topology.nodes[2] == Node(name: "nas", connect: .join, endpoint: "nas.example"))
    }

    @Test("one edge may be part of several paths")
    func sharedEdge() {
        let text = Samples.file(
            paths: """
                paths:
                  a: { edges: [ webui -> ollama: wireguard ] }
                  b: { edges: [ webui -> ollama: wireguard, webui -> postgres: ssh ] }
                """)
        #expect(Samples.parse(text).diagnostics.map(\.description) == [])
    }

    @Test("anchors and aliases stand for what they name")
    func aliases() throws {
        let text = Samples.file(
            services: """
                services:
                  a: &web { on: edge, kind: http, bind: loopback }
                """,
            lab: "lab: { services: { a: { prepare: &cmd [echo, hi], run: *cmd } } }")
        let outcome = Samples.parse(text)
        #expect(outcome.diagnostics.map(\.description) == [])
        #expect(outcome.topology?.lab["a"]?.run == ["echo", "hi"])
    }

    @Test("a byte order mark and Windows line ends are no mistake")
    func windows() {
        let lines = Samples.file().split(separator: "\n").joined(separator: "\r\n") + "\r\n"
        let outcome = TopologyFile.parse([0xef, 0xbb, 0xbf] + Array(lines.utf8), name: "t.yaml")
        #expect(outcome.diagnostics.map(\.description) == [])
    }

    @Test("the password of a connect URL is in no message")
    func password() {
        let text = Samples.file(
            nodes: "nodes:\n  edge: { connect: ssh://root:hunter2@host }", services: "")
        let report = Samples.parse(text).diagnostics.map(\.description).joined()
        #expect(!report.isEmpty)
        #expect(!report.contains("hunter2"))
    }
}
