import LinuxSystem
import MeshController
import MeshModel
import Secrets
import StateStore
import Synchronization
import Testing

@Suite("A new key-encryption key takes over at once, and a crash in between loses nothing")
struct RekeyTests {
    private let mesh: TestMesh
    private let before: [String: [UInt8]]

    init() throws {
        mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
        before = try openSecrets(mesh.folders)
    }

    private func rekey(_ passphraseFile: String? = nil) -> StateRekey {
        var rekey = StateRekey(mesh.folders, mesh: "lab", passphraseFile: passphraseFile)
        rekey.limits = .interactive
        return rekey
    }

    private func phrase(_ text: String) throws -> String {
        let file = "\(mesh.root)/phrase"
        try Files.replace(file, with: "\(text)\n".utf8, mode: 0o600)
        return file
    }

    private var keyFiles: [String] {
        ((try? Files.list(mesh.root)) ?? []).filter { $0.hasPrefix("mesh.kek") }
    }

    @Test("every secret opens with the new key file only, and the old key is nowhere on the disk")
    func newKeyFile() throws {
        #expect(before.count == 4, "the signing key and three preshared keys")
        let old = try Files.read(mesh.folders.keyFile)
        let report = try rekey().run(to: .keyFile)
        #expect(report.secrets == 4 && report.now == "key file" && report.before == "key file")
        #expect(try openSecrets(mesh.folders) == before)
        #expect(keyFiles == ["mesh.kek"])
        #expect(Files.mode(mesh.folders.keyFile) == 0o600)
        for (path, bytes) in try filesBelow(mesh.root) {
            #expect(!bytes.contains(old.dropLast()), "\(path) holds the old key")
        }
        try Files.replace(mesh.folders.keyFile, with: old, mode: 0o600)
        #expect(throws: (any Error).self) { _ = try openSecrets(mesh.folders) }
    }

    @Test("no wrapping by the old key stays in the database's free pages")
    func noOldWrapping() throws {
        func wrappings() throws -> Set<[UInt8]> {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            // Nonce and wrapped data key, by the format of a sealed secret.
            return Set(try SecretRegistry(store).all().values.map { Array($0[21..<93]) })
        }
        let old = try wrappings()
        let anywhere = { (bytes: [UInt8]) in
            try filesBelow(self.mesh.folders.state).values.contains { $0.contains(bytes) }
        }
        for wrapping in old { #expect(try anywhere(wrapping)) }
        _ = try rekey().run(to: .keyFile)
        for wrapping in old { #expect(try !anywhere(wrapping)) }
        for wrapping in try wrappings() { #expect(try anywhere(wrapping)) }
    }

    @Test("a key file becomes a passphrase, another passphrase, and a key file again")
    func kinds() throws {
        _ = try rekey().run(to: .passphrase(try passphrase("one")))
        #expect(keyFiles == [])
        #expect(try openSecrets(mesh.folders, passphrase: "one") == before)
        #expect(try rekey().isLockedByPassphrase())
        _ = try rekey(try phrase("one")).run(to: .passphrase(try passphrase("two")))
        #expect(throws: (any Error).self) {
            _ = try openSecrets(mesh.folders, passphrase: "one")
        }
        #expect(try openSecrets(mesh.folders, passphrase: "two") == before)
        #expect(throws: ControllerError.self) {
            _ = try rekey(try phrase("one")).run(to: .keyFile)
        }
        _ = try rekey(try phrase("two")).run(to: .keyFile)
        #expect(keyFiles == ["mesh.kek"])
        #expect(try openSecrets(mesh.folders) == before)
        #expect(try mesh.up().isGood)
    }

    @Test(
        "killed after any step, the next open finds a key that opens everything",
        arguments: ["key file", "to passphrase", "from passphrase"])
    func killed(_ kind: String) throws {
        var passphraseFile: String?
        if kind == "from passphrase" {
            _ = try rekey().run(to: .passphrase(try passphrase("one")))
            passphraseFile = try phrase("one")
        }
        var stopped: [StateRekey.Step] = []
        // Each round is killed one step later than the one before, until one comes to its end.
        for stop in 0... {
            let seen = Mutex<[StateRekey.Step]>([])
            var rekey = rekey(passphraseFile)
            rekey.after = { (step) throws(SecretsError) in
                let count = seen.withLock {
                    $0.append(step)
                    return $0.count
                }
                if count == stop + 1 {
                    throw SecretsError(.system, "die", "", "killed", hint: "")
                }
            }
            let lock: StateRekey.Lock =
                kind == "to passphrase" ? .passphrase(try passphrase("two")) : .keyFile
            let isDone = (try? rekey.run(to: lock)) != nil
            if !isDone, let last = seen.withLock({ $0.last }) { stopped.append(last) }
            let files = keyFiles
            let isPassphrase = try self.rekey().isLockedByPassphrase()
            let phrase = isPassphrase ? (kind == "to passphrase" ? "two" : "one") : nil
            do {
                _ = try mesh.state(passphraseFile: try phrase.map { try self.phrase($0) })
            }
            #expect(
                try openSecrets(mesh.folders, passphrase: phrase) == before,
                "\(kind), killed after \(seen.withLock { $0 }), with \(files)")
            #expect(keyFiles == (isPassphrase ? [] : ["mesh.kek"]), "nothing is left beside")
            if isDone { break }
            // Back to where the next round begins.
            if kind == "to passphrase" && isPassphrase {
                _ = try self.rekey(try self.phrase("two")).run(to: .keyFile)
            }
            if kind == "from passphrase" && !isPassphrase {
                _ = try self.rekey().run(to: .passphrase(try passphrase("one")))
                _ = try self.phrase("one")
            }
        }
        let expected: [String: [StateRekey.Step]] = [
            "key file": [
                .keyMade, .committed, .moved(.setAside), .moved(.install), .moved(.wipeOld),
            ],
            "to passphrase": [.keyMade, .committed, .moved(.setAside), .moved(.wipeOld)],
            "from passphrase": [.keyMade, .committed, .moved(.install)],
        ]
        #expect(stopped == expected[kind], "every step was the last of one round")
    }

    @Test(
        "an old key file that was half overwritten when the power went is removed at the next open")
    func halfWiped() throws {
        var rekey = rekey()
        rekey.after = { (step) throws(SecretsError) in
            if step == .moved(.install) {
                throw SecretsError(.system, "die", "", "killed", hint: "")
            }
        }
        #expect(throws: ControllerError.self) { _ = try rekey.run(to: .keyFile) }
        let old = KeyFileChange.old(mesh.folders.keyFile)
        try Files.replace(old, with: [UInt8](repeating: 0, count: 45), mode: 0o600)
        _ = try mesh.state()
        #expect(keyFiles == ["mesh.kek"])
        #expect(try openSecrets(mesh.folders) == before)
    }

    @Test("a key file that is not this state's is never removed")
    func foreignKeyFile() throws {
        _ = try rekey().run(to: .passphrase(try passphrase("one")))
        let other = try TestMesh(["db"])
        _ = try other.state()
        let key = try Files.read(other.folders.keyFile)
        try Files.replace(mesh.folders.keyFile, with: key, mode: 0o600)
        #expect(throws: ControllerError.self) {
            _ = try rekey(try phrase("one")).run(to: .keyFile)
        }
        _ = try mesh.state(passphraseFile: try phrase("one"))
        #expect(try Files.read(mesh.folders.keyFile) == key)
    }

    @Test("a sealed secret of a kind that is not known stops it before anything is changed")
    func unknownKind() throws {
        do {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            try store.put("other/thing", Array("mpse".utf8) + [UInt8](repeating: 1, count: 200))
        }
        #expect(throws: ControllerError.self) { _ = try rekey().run(to: .keyFile) }
        #expect(try openSecrets(mesh.folders) == before)
    }

    @Test("without a state, and while another writer works, it changes nothing")
    func refuses() throws {
        let empty = try TestMesh(["db"])
        let none = StateRekey(empty.folders, mesh: "lab", passphraseFile: nil)
        #expect(throws: ControllerError.self) { _ = try none.run(to: .keyFile) }
        #expect(!Files.exists(empty.root))
        let writer = try mesh.state()
        let key = try Files.read(mesh.folders.keyFile)
        do {
            _ = try rekey().run(to: .keyFile)
            Issue.record("ran beside another writer")
        } catch { #expect(error.code == .busy) }
        #expect(try Files.read(mesh.folders.keyFile) == key)
        withExtendedLifetime(writer) {}
    }
}
