import LinuxSystem
import MeshController
import MeshModel
import Secrets
import StateStore
import Testing

@Suite("After shred no secret opens again, whatever copies there are of the state's folder")
struct ShredTests {
    private let mesh: TestMesh
    private let before: [String: [UInt8]]

    init() throws {
        mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
        before = try openSecrets(mesh.folders)
    }

    private func shred() throws -> ShredRun.Report {
        try ShredRun(
            mesh.topology, folders: mesh.folders, carrier: mesh.carrier, settings: mesh.settings,
            progress: NoProgress()
        ).run()
    }

    private func copy(to name: String) throws -> StateFolders {
        let copy = "\(mesh.root)/\(name)"
        #expect(try Child.run(["cp", "-a", mesh.folders.state, copy]).status.isSuccess)
        return StateFolders(state: copy, keyFile: mesh.folders.keyFile)
    }

    @Test(
        "keys on the controller and on every node are gone, and a copy from before opens with nothing"
    )
    func everything() throws {
        let copy = try copy(to: "copy")
        #expect(try openSecrets(copy) == before, "it opens before")
        let kek = try Files.read(mesh.folders.keyFile)
        let raw = try #require(Base64.decode(String(decoding: kek.dropLast(), as: UTF8.self)))
        let report = try shred()
        #expect(report.isDone && report.keyFile && report.secrets == 4)
        #expect(report.nodes.map(\.node) == ["db", "edge", "gpu"])
        for name in ["db", "edge", "gpu"] {
            #expect(try mesh.machine(name).snapshot.identity == nil)
            #expect(try mesh.machine(name).snapshot.presharedKeys.isEmpty)
        }
        #expect(!Files.exists(mesh.folders.state) && !Files.exists(mesh.folders.keyFile))

        // With the copy and all that is on the disk now.
        #expect(throws: (any Error).self) { _ = try openSecrets(copy) }
        #expect(throws: ControllerError.self) {
            _ = try ControllerState(copy, mesh: "lab", passphraseFile: nil, writing: true)
        }
        for (path, bytes) in try filesBelow(mesh.root) {
            #expect(!bytes.contains(kek.dropLast()) && !bytes.contains(raw), "\(path) has the key")
            for secret in before.values { #expect(!bytes.contains(secret), "\(path)") }
            // Whatever could be a key is tried as one.
            for start in 0..<max(0, bytes.count - 31) where start.isMultiple(of: 512) {
                var candidate = Array(bytes[start..<start + 32])
                let key = try KeyEncryptionKey(SecretBytes(wiping: &candidate))
                #expect(try sealedSecrets(copy).allSatisfy { try !$0.opens(key) })
            }
        }
    }

    /// The sealed secrets of a state, for a try with any key.
    private func sealedSecrets(_ folders: StateFolders) throws -> [Sealed] {
        let store = try #require(try StateStore.openForReading(folder: folders.state))
        return try SecretRegistry(store).all().map { Sealed(name: $0.key, bytes: $0.value) }
    }

    private struct Sealed {
        let name: String
        let bytes: [UInt8]

        func opens(_ key: KeyEncryptionKey) throws -> Bool {
            (try? Vault(key: key).open(bytes, name: name)) != nil
        }
    }

    @Test("a node that cannot be reached is named, and keeps no other key alive")
    func unreachable() throws {
        try mesh.machine("gpu").trouble(.unreachable)
        let report = try shred()
        #expect(!report.isDone)
        let lost = report.nodes.filter { $0.error != nil }
        #expect(lost.map(\.node) == ["gpu"])
        #expect(lost.first?.fix?.contains("node leave --mesh lab") == true)
        #expect(try mesh.machine("db").snapshot.identity == nil)
        #expect(!Files.exists(mesh.folders.state) && !Files.exists(mesh.folders.keyFile))
    }

    @Test("neither the key file nor the passphrase is needed, and none is made")
    func withoutKey() throws {
        try Files.removeTree(mesh.folders.keyFile)
        let report = try shred()
        #expect(report.isDone && !report.keyFile && report.secrets == 4)
        #expect(!Files.exists(mesh.folders.keyFile))
        #expect(try mesh.machine("db").snapshot.identity == nil)
    }

    @Test("a file in the state's folder that is not ours is left, and named")
    func foreign() throws {
        let note = "\(mesh.folders.state)/note.txt"
        try Files.replace(note, with: "mine".utf8)
        let report = try shred()
        #expect(report.foreign == [note] && !report.isDone)
        #expect(try Files.list(mesh.folders.state) == ["note.txt"])
    }

    @Test("while another meshproof works nothing is touched; where nothing is, it says so")
    func refuses() throws {
        let writer = try mesh.state()
        #expect(throws: ControllerError.self) { _ = try shred() }
        #expect(Files.exists(mesh.folders.keyFile))
        withExtendedLifetime(writer) {}
        let empty = try TestMesh(["db"])
        let run = ShredRun(
            empty.topology, folders: empty.folders, carrier: empty.carrier,
            settings: empty.settings, progress: NoProgress())
        #expect(throws: ControllerError.self) { _ = try run.nodes() }
        #expect(!Files.exists(empty.root))
    }

    @Test("a rehearsed crash between the keys and the nodes: the same call goes on")
    func again() throws {
        // What the first half leaves behind: no key, no sealed secret, and nodes that are up.
        try KeyFile.shred(mesh.folders.keyFile)
        do {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            for prefix in ["secret/", "psk/"] {
                for entry in try store.list(prefix) { try store.delete(entry.key) }
            }
        }
        let report = try shred()
        #expect(report.isDone && report.nodes.count == 3)
        #expect(try mesh.machine("edge").snapshot.identity == nil)
    }
}
