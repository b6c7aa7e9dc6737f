import LinuxSystem
import MeshModel
import MeshNode
import NodeProtocol
import TestSupport
import Testing

@Suite("Going down")
struct RemovalTests {
    private func report(_ world: TestWorld) throws -> RemovalReport {
        guard case .removed(let report) = world.ask(.down) else { throw TestWorld.Missing() }
        return report
    }

    @Test("removes interfaces, routes, keys and documents, and finds nothing left")
    func all() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        _ = world.ask(.prepareKey(generation: 1))
        let report = try report(world)
        #expect(report.left.isEmpty)
        #expect(report.removed.contains("interface mp0-lab, with its peers and routes"))
        #expect(report.removed.filter { $0.hasSuffix("overwritten first") }.count == 5)
        #expect(
            world.kernel.model.node.interfaces.isEmpty && world.kernel.model.node.routes.isEmpty)
        #expect(!Files.exists(world.folders.state))
        #expect(world.core.isEnding)
    }

    @Test("removes a generation that no document names any more")
    func stray() throws {
        let world = try TestWorld()
        world.kernel.model.apply(.createInterface(name: "mp7-lab", backend: .auto))
        #expect(try report(world).removed.contains("interface mp7-lab, with its peers and routes"))
    }

    @Test("says what it could not remove")
    func stuck() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        world.kernel.failing = "delete interface"
        let left = try report(world).left
        #expect(left.contains { $0.contains("mp0-lab") && $0.contains("not permitted") })
        #expect(left.contains("interface mp0-lab"))
        world.kernel.failing = nil
    }

    @Test("does not claim that nothing is left where the kernel does not tell")
    func blind() throws {
        let world = try TestWorld()
        world.kernel.isBlind = true
        #expect(try !report(world).left.isEmpty)
    }

    @Test("leaves another mesh's interfaces, folders and the program it needs")
    func otherMesh() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        world.kernel.model.apply(.createInterface(name: "mp0-prod", backend: .auto))
        let other = "\(world.folders.meshes)/prod/identity.json"
        try world.storage.replace(other, with: [1])
        try world.storage.replace(world.folders.binary, with: [1])
        #expect(try report(world).left.isEmpty)
        #expect(world.kernel.model.node.interfaces.map(\.name) == ["mp0-prod"])
        #expect(Files.exists(other))
        #expect(Files.exists(world.folders.binary))
    }

    @Test("takes the program along where no other mesh needs it")
    func program() throws {
        let world = try TestWorld()
        try world.storage.replace(world.folders.binary, with: [1])
        #expect(try report(world).left.isEmpty)
        #expect(!Files.exists(world.folders.binary))
        #expect(!Files.exists(world.folders.meshes))
    }

    @Test("knows another mesh's networks from its documents")
    func networks() throws {
        let world = try TestWorld()
        try world.install(try world.document(1))
        guard let other = NodeFolders(mesh: "other", root: world.folders.root) else {
            throw TestWorld.Missing()
        }
        let meshes = OtherMeshes(other, world.storage)
        #expect(meshes.names == ["lab"])
        #expect(meshes.networks()?.map(\.description) == ["10.77.0.0/24"])
        try world.storage.replace(world.folders.document("current"), with: [0])
        #expect(meshes.networks() == nil, "what cannot be read may be anything")
    }
}

@Suite("A mesh's name")
struct NodeFolderTests {
    @Test(
        "leads to its folders only where it is a short DNS label",
        arguments: [
            ("lab", true), ("a", true), ("home-lab-01", true), ("home-lab-012", false), ("", false),
            ("-a", false), ("a-", false), ("..", false), ("a/b", false), ("LAB", false),
            ("ü", false),
        ])
    func names(name: String, isValid: Bool) {
        #expect((NodeFolders(mesh: name) != nil) == isValid)
    }
}
