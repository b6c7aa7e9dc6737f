import Glibc
import LinuxSystem
import MeshController
import MeshModel
import Secrets
import Testing
import TopologyFile

@Suite("A peer comes and goes: in the file, and on the nodes that it concerns")
struct PeerTests {
    static let services = [
        Service(name: "web", node: "edge", kind: "http", port: 8080),
        Service(name: "llm", node: "gpu", kind: "ollama", port: 11434),
    ]

    /// edge, gpu and db; by paths edge and gpu are peers, and db is alone.
    static func topology() throws -> Topology {
        let network = try #require(IPPrefix("10.77.0.0/24"))
        return Topology(
            mesh: Mesh(name: "lab", networks: [network]),
            nodes: ["edge", "gpu", "db"].map { TestMesh.node($0) }, services: services,
            paths: [Path(name: "chat", edges: [Edge(from: "web", to: "llm", via: .wireguard)])],
            forbid: [ForbiddenEdge(from: "db", to: "llm")])
    }

    @Test("an edge goes where its service has edges, else into access, else where it is told")
    func paths() throws {
        let topology = try Self.topology()
        func places(_ services: [String], _ path: String?) throws -> [String] {
            try PeerEdits.add(
                Node(name: "phone", managed: false), edgesTo: services, via: .wireguard,
                path: path, in: topology
            ).compactMap { edit in
                guard case .addEdge(_, let path) = edit else { return nil }
                return path
            }
        }
        #expect(try places(["llm", "web"], nil) == ["chat", "access"])
        #expect(try places(["llm", "web"], "mobile") == ["mobile", "mobile"])
    }

    @Test("a node that is there already is not added, but an unmanaged one without a key gets it")
    func existing() throws {
        var topology = try Self.topology()
        topology.nodes.append(Node(name: "phone", managed: false))
        let key = try PeerKey().publicKey
        func add(_ name: String) throws -> [TopologyEdit] {
            try PeerEdits.add(
                Node(name: name, managed: false, publicKey: key), edgesTo: [], via: .wireguard,
                path: nil, in: topology)
        }
        #expect(try add("phone") == [.setPublicKey(key, node: "phone")])
        #expect(throws: ControllerError.self) { try add("gpu") }
        topology.nodes[3].publicKey = key
        #expect(throws: ControllerError.self) { try add("phone") }
    }

    @Test("a node that joins is added once, invited again as it is, and no other is made one")
    func invited() throws {
        var topology = try Self.topology()
        func invite(
            _ name: String, to services: [String] = [], endpoint: String? = nil
        ) throws -> [TopologyEdit] {
            try PeerEdits.invite(
                Node(name: name, connect: .join, endpoint: endpoint), edgesTo: services,
                via: .wireguard, path: nil, in: topology)
        }
        let nas = Node(name: "nas", connect: .join)
        let edge = Edge(from: "nas", to: "llm", via: .wireguard)
        #expect(
            try invite("nas", to: ["llm"]) == [.addNode(nas), .addEdge(edge, path: "chat")])
        topology.nodes.append(nas)
        #expect(try invite("nas").isEmpty)
        #expect(try invite("nas", to: ["llm"]) == [.addEdge(edge, path: "chat")])
        topology.paths[0].edges.append(edge)
        #expect(try invite("nas", to: ["llm"]).isEmpty)
        #expect(throws: ControllerError.self) { try invite("nas", endpoint: "192.0.2.9") }
        // It is reached by SSH: an invite would hand its name to somebody else.
        #expect(throws: ControllerError.self) { try invite("gpu") }
    }

    @Test("what hangs on a node is named, and goes only with it when that is asked for")
    func dependents() throws {
        var topology = try Self.topology()
        let error = #expect(throws: ControllerError.self) {
            try PeerEdits.remove("gpu", cascades: false, in: topology)
        }
        for word in ["web -> llm (path chat)", "service llm", "db -> llm"] {
            #expect(error?.message.contains(word) == true, "\(word): \(error?.message ?? "")")
        }
        #expect(
            try PeerEdits.remove("gpu", cascades: true, in: topology) == [
                .removeEdge(from: "web", to: "llm", path: "chat"),
                .removeForbidden(ForbiddenEdge(from: "db", to: "llm")), .removeService("llm"),
                .removeNode("gpu"),
            ])
        #expect(throws: ControllerError.self) {
            try PeerEdits.remove("gpuu", cascades: true, in: topology)
        }
        topology.mesh.peering = .hub("gpu")
        #expect(throws: ControllerError.self) {
            try PeerEdits.remove("gpu", cascades: true, in: topology)
        }
    }

    @Test("only nodes whose documents differ are concerned, and only they are contacted")
    func concerned() throws {
        let mesh = try TestMesh(["edge", "gpu", "db"])
        mesh.topology = try Self.topology()
        _ = try mesh.up()
        var after = mesh.topology
        after.nodes.append(Node(name: "phone", managed: false, publicKey: try PeerKey().publicKey))
        after.paths[0].edges.append(Edge(from: "phone", to: "web", via: .wireguard))
        let concerned = try mesh.state(writing: false).concerned(from: mesh.topology, to: after)
        #expect(concerned == ["edge"])
        #expect(
            try mesh.state(writing: false).concerned(from: mesh.topology, to: mesh.topology)
                .isEmpty)
        // The others could not even be reached.
        let reachable = FakeCarrier(machines: ["edge": try mesh.machine("edge")])
        let report = try UpRun(
            after, state: mesh.state(), carrier: reachable, program: TestMesh.program,
            settings: mesh.settings, progress: NoProgress(), only: concerned
        ).run()
        #expect(report.nodes.map(\.node) == ["edge"])
        #expect(report.nodes.map(\.state) == [.changed])
        let document = try mesh.machine("edge").snapshot.document
        #expect(document?.interfaces[0].peers.map(\.node) == ["gpu", "phone"])
        #expect(document?.names?.entries.flatMap(\.names).contains("phone.lab") == true)
        // And out again.
        #expect(
            try mesh.state(writing: false).concerned(from: after, to: mesh.topology) == ["edge"])
    }

    @Test("a key is kept sealed, for the public key it belongs to, until it is dropped")
    func keptKey() throws {
        let mesh = try TestMesh(["edge"])
        let key = try PeerKey()
        do {
            let state = try mesh.state()
            #expect(try state.keptKey(of: "phone", for: key.publicKey) == nil)
            try state.keep(key, of: "phone")
        }
        do {
            let state = try mesh.state()
            let kept = try #require(try state.keptKey(of: "phone", for: key.publicKey))
            #expect(kept.privateKey.equals(key.privateKey))
            #expect(try state.keptKey(of: "phone", for: PeerKey().publicKey) == nil)
            #expect(try state.keepsKey(of: "phone"))
            try state.dropKey(of: "phone")
            #expect(try !state.keepsKey(of: "phone"))
        }
        // Nothing of it lies about in clear.
        try mesh.state().keep(key, of: "phone")
        let text = SecretText.encode(key.privateKey)
        for name in try Files.list(mesh.folders.state) {
            let bytes = try Files.read("\(mesh.folders.state)/\(name)")
            #expect(!String(decoding: bytes, as: UTF8.self).contains(text), "\(name)")
        }
    }

    @Test("the file is replaced in one step, the former one is kept, a link stays a link")
    func document() throws {
        let folder = "/tmp/meshproof-peerfile-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try Files.makeFolder(folder)
        defer { _ = try? Files.removeTree(folder) }
        let (real, link) = ("\(folder)/real.yaml", "\(folder)/topology.yaml")
        let text = TopologyFile.text(of: try Self.topology())
        let distinct = text.replacing("gpu, endpoint: 192.0.2.1", with: "gpu, endpoint: 192.0.2.2")
            .replacing("db, endpoint: 192.0.2.1", with: "db, endpoint: 192.0.2.3")
        try Files.replace(real, with: distinct.utf8, mode: 0o640)
        try #require(symlink("real.yaml", link) == 0)
        let file = try TopologyDocument(path: link)
        let edited = try file.edited([.addNode(Node(name: "phone", managed: false))])
        #expect(file.difference(to: edited) == ["+10:   phone: { managed: false }"])
        try file.replace(with: edited)
        #expect(try Files.read(real) == edited.bytes)
        #expect(try Files.read("\(real)~") == Array(distinct.utf8))
        #expect(Files.mode(real) == UInt32(0o640))
        var info = stat()
        #expect(lstat(link, &info) == 0 && info.st_mode & S_IFMT == S_IFLNK)
        // It is no more what was read.
        let error = #expect(throws: ControllerError.self) { try file.replace(with: edited) }
        #expect(error?.code == .busy)
    }
}
