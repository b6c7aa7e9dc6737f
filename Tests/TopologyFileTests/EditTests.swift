import MeshModel
import Testing
import TopologyFile

@Suite("A topology file is edited in place, and nothing else in it moves")
struct EditTests {
    static let key = PublicKey("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=")
    static let tablet = Node(name: "tablet", managed: false, publicKey: key)
    static let laptop = Node(
        name: "laptop", connect: .ssh(user: "root", host: "2001:db8::7", port: 2222),
        endpoint: "2001:db8::7", endpointPort: 41820,
        addresses: ["10.77.0.77"].compactMap { IPAddress($0) }, backend: .kernel)

    @Test("after add and rm the file is the same, byte for byte", arguments: EditFixture.all)
    func roundTrip(_ fixture: EditFixture) throws {
        let original = Array(fixture.text.utf8)
        let before = try #require(
            TopologyFile.parse(original, name: "t").topology, "the fixture is no topology")
        let toWeb = Edge(from: "tablet", to: "webui", via: .wireguard)
        let toOllama = Edge(from: "tablet", to: "ollama", via: .tls, options: ["min": "TLS1.3"])
        var adds: [TopologyEdit] = [
            .addNode(Self.tablet), .addNode(Self.laptop), .addEdge(toWeb, path: "access"),
            .addEdge(toOllama, path: "access"),
        ]
        var removes: [TopologyEdit] = [
            .removeEdge(from: "tablet", to: "ollama", path: "access"), .removeNode("laptop"),
            .removeEdge(from: "tablet", to: "webui", path: "access"), .removeNode("tablet"),
        ]
        if fixture.hasChat {
            let edge = Edge(from: "laptop", to: "webui", via: .wireguard)
            adds.append(.addEdge(edge, path: "chat"))
            removes.insert(.removeEdge(from: "laptop", to: "webui", path: "chat"), at: 0)
        }
        let added = try TopologyFile.edit(original, name: "t", adds)
        #expect(added.topology.nodes == before.nodes + [Self.tablet, Self.laptop])
        #expect(TopologyFile.parse(added.bytes, name: "t").topology == added.topology)
        #expect(Self.isKept(original, in: added.bytes))
        let removed = try TopologyFile.edit(added.bytes, name: "t", removes)
        #expect(String(decoding: removed.bytes, as: UTF8.self) == fixture.text)
        #expect(removed.bytes == original)
        #expect(removed.topology == before)
        // One at a time as well, each step a valid file.
        var bytes = original
        for edit in adds { bytes = try TopologyFile.edit(bytes, name: "t", [edit]).bytes }
        #expect(bytes == added.bytes)
        for edit in removes { bytes = try TopologyFile.edit(bytes, name: "t", [edit]).bytes }
        #expect(bytes == original)
    }

    @Test("a node that joins by itself is written as it is read")
    func joins() throws {
        let lap = Node(name: "lap", connect: .join)
        let head = "mesh: { name: home, network: 10.77.0.0/24 }\nnodes:\n  a: { connect: local }\n"
        let edited = try TopologyFile.edit(Array(head.utf8), name: "t", [.addNode(lap)])
        #expect(edited.topology.nodes.last == lap)
        #expect(
            String(decoding: edited.bytes, as: UTF8.self) == head + "  lap: { connect: join }\n")
    }

    @Test("there are at least thirty ways to write one")
    func enough() {
        #expect(EditFixture.all.count >= 30)
        #expect(Set(EditFixture.all.map(\.text)).count == EditFixture.all.count)
    }

    /// Whether the first is what is left of the second when some bytes are taken out.
    private static func isKept(_ old: [UInt8], in new: [UInt8]) -> Bool {
        var rest = old[...]
        for byte in new where byte == rest.first { rest = rest.dropFirst() }
        return rest.isEmpty
    }

    @Test("new lines look like their neighbours")
    func style() throws {
        let block = try #require(EditFixture.all.first { $0.name == "all in block style" })
        let edited = try TopologyFile.edit(
            Array(block.text.utf8), name: "t",
            [
                .addNode(Self.tablet),
                .addEdge(Edge(from: "tablet", to: "webui", via: .wireguard), path: "access"),
            ])
        let text = String(decoding: edited.bytes, as: UTF8.self)
        #expect(text.contains("\n  tablet:\n    managed: false\n    public_key: xTIB"))
        #expect(text.hasSuffix("\n  access:\n    edges:\n      - tablet -> webui: wireguard\n"))
    }

    @Test(
        "a node without a key is given one, whatever its style",
        arguments: [
            ("phone: { managed: false }", "phone: { managed: false, public_key: KEY }"),
            (
                "phone:\n    managed: false   # Ada's",
                "phone:\n    managed: false   # Ada's\n    public_key: KEY"
            ),
        ])
    func publicKey(_ before: String, _ after: String) throws {
        let head =
            "mesh: { name: home, network: 10.77.0.0/24 }\nnodes:\n  a: { connect: local }\n  "
        let edited = try TopologyFile.edit(
            Array((head + before + "\n").utf8), name: "t",
            [.setPublicKey(try #require(Self.key), node: "phone")])
        #expect(
            String(decoding: edited.bytes, as: UTF8.self)
                == head + after.replacing("KEY", with: "\(try #require(Self.key))") + "\n")
    }

    @Test("a whole node goes, with its services, edges, rehearsal and forbidden pairs")
    func cascade() throws {
        let original = try ExampleTests.example()
        let before = try #require(TopologyFile.parse(original, name: "t").topology)
        var edits: [TopologyEdit] = []
        for path in before.paths {
            for edge in path.edges where edge.from == "gpu" || ["ollama", "vllm"].contains(edge.to)
            {
                edits.append(.removeEdge(from: edge.from, to: edge.to, path: path.name))
            }
        }
        edits += [
            .removeForbidden(ForbiddenEdge(from: "store", to: "ollama")),
            .removeService("ollama"), .removeService("vllm"), .removeNode("gpu"),
        ]
        let after = try TopologyFile.edit(original, name: "t", edits)
        #expect(after.topology.node("gpu") == nil)
        #expect(after.topology.lab["ollama"] == nil && after.topology.lab["vllm"] == nil)
        #expect(after.topology.forbid.count == 3)
        #expect(after.topology.paths.map(\.name) == ["chat", "rag", "backup"])
        // Everything that is left is what it was, in the same order.
        let kept = String(decoding: after.bytes, as: UTF8.self).split(separator: "\n")
        var rest = String(decoding: original, as: UTF8.self).split(separator: "\n")[...]
        for line in kept {
            let place = try #require(rest.firstIndex(of: line), "changed: \(line)")
            rest = rest[(place + 1)...]
        }
    }

    @Test("what cannot be edited safely is refused, with what to do by hand")
    func refused() throws {
        let covered = """
            mesh: { name: home, network: 10.77.0.0/24 }
            nodes:
              a: { connect: local, endpoint: 192.0.2.1 }
              b: { connect: ssh://root@b, endpoint: 192.0.2.2 }
            services: { web: { on: a, kind: open-webui }, api: { on: b, kind: ollama } }
            paths:
              one: &one
                edges: &edges
                  - web -> api: wireguard
              two:
                edges: *edges
              three: *one

            """
        let edge = Edge(from: "b", to: "web", via: .wireguard)
        for path in ["one", "two", "three"] {
            let error = #expect(throws: TopologyEditError.self) {
                try TopologyFile.edit(Array(covered.utf8), name: "t", [.addEdge(edge, path: path)])
            }
            guard case .refused(let refusal) = error else {
                Issue.record("\(path): \(String(describing: error))")
                continue
            }
            #expect(
                refusal.byHand
                    == ["add below `paths: \(path): edges:`  - b -> web: wireguard"])
            if path == "two" { #expect(refusal.line == 11) }
        }
        // Beside them there is room.
        _ = try TopologyFile.edit(Array(covered.utf8), name: "t", [.addEdge(edge, path: "four")])
        // A node whose body others repeat.
        let shared = covered.replacing("a: {", with: "a: &a {")
            .replacing("\nservices", with: "\n  c: { managed: false }\nservices")
        _ = try TopologyFile.edit(Array(shared.utf8), name: "t", [.removeNode("c")])
    }

    @Test("a topology that would be a bad one is told as such, with its mistakes")
    func invalid() throws {
        let text = Array(EditFixture.all[0].text.utf8)
        let error = #expect(throws: TopologyEditError.self) {
            try TopologyFile.edit(
                text, name: "t",
                [.addEdge(Edge(from: "tablet", to: "webui", via: .wireguard), path: "chat")])
        }
        guard case .invalid(let mistakes) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(mistakes.contains { $0.message.contains("tablet") })
    }

    @Test("a topology written anew is the same topology", arguments: EditFixture.all)
    func text(_ fixture: EditFixture) throws {
        let topology = try #require(
            TopologyFile.parse(Array(fixture.text.utf8), name: "t").topology)
        let text = TopologyFile.text(of: topology)
        #expect(TopologyFile.parse(Array(text.utf8), name: "t").topology == topology, "\(text)")
    }

    @Test("the reference topology written anew is the same topology")
    func exampleText() throws {
        let topology = try #require(
            TopologyFile.parse(try ExampleTests.example(), name: "t").topology)
        let text = TopologyFile.text(of: topology)
        #expect(TopologyFile.parse(Array(text.utf8), name: "t").topology == topology)
    }
}
