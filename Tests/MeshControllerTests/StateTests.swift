import LinuxSystem
import MeshController
import MeshModel
import NodeProtocol
import StateStore
import Testing

@Suite("The controller's state keeps what must not move, and no secret in clear")
struct StateTests {
    private let peers = [Peering("db", "edge"), Peering("edge", "gpu")]

    private func code(_ body: () throws -> Void) -> ControllerError.Code? {
        do { try body() } catch { return (error as? ControllerError)?.code }
        return nil
    }

    @Test("reading where there is nothing finds nothing and makes nothing")
    func readsNothing() throws {
        let mesh = try TestMesh(["db"])
        let state = try mesh.state(writing: false)
        #expect(state.knownMeshID == nil)
        #expect(try state.nodeKeys(of: mesh.topology, generation: 0).isEmpty)
        #expect(try state.previewAddresses(for: mesh.topology).count == 1)
        #expect(!Files.exists(mesh.root))
    }

    @Test("an open for reading refuses to write")
    func refusesToWrite() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.state()
        let state = try mesh.state(writing: false)
        #expect(code { _ = try state.allocateAddresses(for: mesh.topology) } == .state)
        #expect(code { _ = try state.ensurePresharedKeys(for: peers, generation: 0) } == .state)
        #expect(code { try state.forget("db") } == .state)
    }

    @Test("a second writer is refused, and a reader is not")
    func oneWriter() throws {
        let mesh = try TestMesh(["db"])
        let first = try mesh.state()
        #expect(code { _ = try mesh.state() } == .busy)
        #expect(try mesh.state(writing: false).knownMeshID == first.identity.meshID)
        withExtendedLifetime(first) {}
    }

    @Test("the mesh's identity and key outlive the process")
    func keepsItsIdentity() throws {
        let mesh = try TestMesh(["db"])
        let first = try mesh.state().identity
        #expect(try mesh.state().identity == first)
        #expect(first.meshID.count == 32)
    }

    @Test("the address of a removed node is its name's for thirty days, and then anybody's")
    func tombstones() throws {
        let mesh = try TestMesh(["db", "edge", "gpu"])
        let day = 86_400.0
        let before = try mesh.state().allocateAddresses(for: mesh.topology, now: 0)
        mesh.topology.nodes.removeAll { $0.name == "edge" }
        _ = try mesh.state().allocateAddresses(for: mesh.topology, now: 10 * day)
        _ = try mesh.state().allocateAddresses(for: mesh.topology, now: 20 * day)
        // Before that, nobody else gets it, and the name gets it back, from when on it counts anew.
        mesh.topology.nodes.append(TestMesh.node("new"))
        let early = try mesh.state().allocateAddresses(for: mesh.topology, now: 40 * day - 1)
        #expect(early["new"] != before["edge"])
        mesh.topology.nodes.append(TestMesh.node("edge"))
        let back = try mesh.state().allocateAddresses(for: mesh.topology, now: 40 * day - 1)
        #expect(back["edge"] == before["edge"])
        mesh.topology.nodes.removeLast()
        _ = try mesh.state().allocateAddresses(for: mesh.topology, now: 41 * day)
        mesh.topology.nodes.append(TestMesh.node("newer"))
        #expect(
            try mesh.state().previewAddresses(for: mesh.topology, now: 70 * day)["newer"]
                != before["edge"])
        // A clock that was set back lets nothing go.
        #expect(
            try mesh.state().previewAddresses(for: mesh.topology, now: 0)["newer"] != before["edge"]
        )
        // Looking on changes nothing; giving it away does.
        let due = try mesh.state(writing: false).previewAddresses(for: mesh.topology, now: 71 * day)
        #expect(due["newer"] == before["edge"])
        #expect(
            try mesh.state().previewAddresses(for: mesh.topology, now: 70 * day)["newer"]
                != before["edge"])
        #expect(try mesh.state().allocateAddresses(for: mesh.topology, now: 71 * day) == due)
        mesh.topology.nodes.append(TestMesh.node("edge"))
        let last = try mesh.state().allocateAddresses(for: mesh.topology, now: 72 * day)
        #expect(last["edge"] != before["edge"] && last["newer"] == before["edge"])
        #expect(Set(last.values.joined()).count == last.count, "nobody shares one")
    }

    @Test("addresses stay, whatever comes and goes")
    func keepsAddresses() throws {
        let mesh = try TestMesh(["db", "edge", "gpu"])
        let before = try mesh.state().allocateAddresses(for: mesh.topology)
        mesh.topology.nodes.insert(TestMesh.node("alpha"), at: 0)
        mesh.topology.nodes.removeAll { $0.name == "edge" }
        let after = try mesh.state().allocateAddresses(for: mesh.topology)
        #expect(after["db"] == before["db"] && after["gpu"] == before["gpu"])
        #expect(after["alpha"] != before["edge"])
        mesh.topology.nodes.append(TestMesh.node("edge"))
        #expect(try mesh.state().allocateAddresses(for: mesh.topology)["edge"] == before["edge"])
    }

    @Test("a preview of addresses is what allocating gives, and keeps nothing")
    func previews() throws {
        let mesh = try TestMesh(["db", "edge"])
        let state = try mesh.state()
        let preview = try state.previewAddresses(for: mesh.topology)
        mesh.topology.nodes.reverse()
        #expect(try state.previewAddresses(for: mesh.topology) != preview)
        mesh.topology.nodes.reverse()
        #expect(try state.allocateAddresses(for: mesh.topology) == preview)
    }

    @Test("a pair keeps its preshared key when pairs are added, until one of the two is forgotten")
    func keepsPresharedKeys() throws {
        let mesh = try TestMesh(["db", "edge", "gpu"])
        let state = try mesh.state()
        let first = try state.ensurePresharedKeys(for: peers, generation: 0)
        let second = try state.ensurePresharedKeys(
            for: peers + [Peering("db", "gpu")], generation: 0)
        #expect(first.count == 2 && second.count == 3)
        #expect(first.allSatisfy { second[$0.key] == $0.value })
        try state.forget("edge")
        let third = try state.presharedKeyIDs(for: peers, generation: 0)
        #expect(Array(third.keys) == [Peering("db", "gpu")])
        #expect(
            try state.ensurePresharedKeys(for: peers, generation: 0)[peers[0]] != first[peers[0]])
    }

    @Test("a preshared key's name is sealed with it: another in its place is found out")
    func authenticatesNames() throws {
        let mesh = try TestMesh(["db", "edge"])
        let pair = Peering("db", "edge")
        do { _ = try mesh.state().ensurePresharedKeys(for: [pair], generation: 0) }
        do {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            let registry = PresharedKeyRegistry(store)
            let entry = try #require(try registry.entry(of: pair, generation: 0))
            let other = PresharedKeyID(rawValue: String(repeating: "0f", count: 16))
            try registry.replace(
                [pair: PresharedKeyRegistry.Entry(id: other, sealed: entry.sealed)], generation: 0)
        }
        let state = try mesh.state()
        let id = try #require(try state.presharedKeyIDs(for: [pair], generation: 0)[pair])
        let document = NodeDocument(
            meshID: state.identity.meshID, mesh: "lab", node: "db", revision: 1, issuedAt: 1,
            interfaces: [
                DesiredInterface(
                    name: "mp0-lab", generation: 0, publicKey: .zero, listenPort: 1, backend: .auto,
                    mtu: nil, addresses: [], networks: [],
                    peers: [
                        DesiredPeer(
                            node: "edge", publicKey: .zero, presharedKey: id, endpoint: nil,
                            allowedIPs: [], keepalive: nil)
                    ])
            ])
        #expect(code { _ = try state.presharedKeys(in: document) } == .state)
    }

    @Test("a state without its key file is refused, and so is a key file that is not its own")
    func wantsItsKeyFile() throws {
        let mesh = try TestMesh(["db"])
        #expect(try mesh.state().notice?.contains(mesh.folders.keyFile) == true)
        #expect(try mesh.state().notice == nil)
        let other = try TestMesh(["db"])
        _ = try other.state()
        let key = try Files.read(other.folders.keyFile, limit: 4096)
        try Files.removeTree(mesh.folders.keyFile)
        #expect(code { _ = try mesh.state() } == .state)
        try Files.replace(mesh.folders.keyFile, with: key, mode: 0o600)
        #expect(code { _ = try mesh.state() } == .state)
    }

    @Test("a state locked with a passphrase opens with it only")
    func passphrase() throws {
        let mesh = try TestMesh(["db"])
        try Files.makeFolder(mesh.root)
        let (right, wrong) = ("\(mesh.root)/right", "\(mesh.root)/wrong")
        try Files.replace(right, with: "correct horse battery\n".utf8, mode: 0o600)
        try Files.replace(wrong, with: "incorrect horse battery\n".utf8, mode: 0o600)
        let identity = try mesh.state(passphraseFile: right).identity
        #expect(try mesh.state(passphraseFile: right).identity == identity)
        #expect(code { _ = try mesh.state(passphraseFile: wrong) } == .state)
        #expect(!Files.exists(mesh.folders.keyFile))
    }

    @Test("a passphrase for a state that a key file locks is no quiet mistake")
    func wrongKindOfLock() throws {
        let mesh = try TestMesh(["db"])
        _ = try mesh.state()
        let file = "\(mesh.root)/phrase"
        try Files.replace(file, with: "correct horse battery\n".utf8, mode: 0o600)
        #expect(code { _ = try mesh.state(passphraseFile: file) } == .usage)
    }

    @Test("neither the database nor a description shows a preshared key")
    func keepsSecrets() throws {
        let mesh = try TestMesh(["db", "edge"])
        _ = try mesh.up()
        let key = try #require(try mesh.machine("db").snapshot.presharedKeys.values.first)
        let raw = try #require(Base64.decode(key))
        var bytes: [UInt8] = []
        for name in try Files.list("\(mesh.root)/state") {
            bytes += (try? Files.read("\(mesh.root)/state/\(name)", limit: 1 << 24)) ?? []
        }
        #expect(bytes.count > 1000)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains(key))
        #expect(!bytes.indices.contains { bytes[$0...].starts(with: raw) })
    }

    @Test("what is kept of a node's way in is read back", arguments: [nil, "SHA256:abc"])
    func remembersWays(_ hostKey: String?) throws {
        let ways: [Connect] = [
            .local, .ssh(user: nil, host: "h", port: nil),
            .ssh(user: "u", host: "2001:db8::1", port: 2222),
        ]
        let mesh = try TestMesh([])
        let state = try mesh.state()
        for (index, way) in ways.enumerated() {
            let hello = NodeHello(
                version: 1, program: "test", meshID: "", node: "n\(index)", keys: [:], revision: 0,
                highestRevision: 0, unconfirmed: nil, rolledBack: nil)
            let node = Node(name: "n\(index)", connect: way, hostKey: hostKey)
            try state.record(hello, of: node)
        }
        let former = try state.formerNodes(besides: mesh.topology)
        #expect(former.map(\.connect) == ways)
        #expect(former.allSatisfy { $0.hostKey == hostKey })
    }
}
