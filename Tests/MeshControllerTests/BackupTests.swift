import LinuxSystem
import MeshController
import MeshModel
import Secrets
import StateStore
import TestSupport
import Testing

@Suite("A backup brings the whole state back, or says why not and leaves everything alone")
struct BackupTests {
    private let mesh: TestMesh
    private let before: [String: [UInt8]]
    private let file: String
    private let elsewhere: StateFolders

    init() throws {
        mesh = try TestMesh(["db", "edge", "gpu"])
        _ = try mesh.up()
        before = try openSecrets(mesh.folders)
        file = "\(mesh.root)/lab.mpbk"
        elsewhere = StateFolders(
            state: "\(mesh.root)/elsewhere/state", keyFile: "\(mesh.root)/elsewhere/mesh.kek")
    }

    private func key() throws -> KeyEncryptionKey {
        try KeyFile.open(
            "\(mesh.root)/backup.key", stateFolder: mesh.folders.state, mayCreate: true
        ).key
    }

    @discardableResult
    private func backup(_ lock: StateBackup.Lock? = nil, passphraseFile: String? = nil) throws
        -> StateBackup.Report
    {
        var backup = StateBackup(mesh.folders, mesh: "lab", passphraseFile: passphraseFile)
        backup.limits = .interactive
        return try backup.write(to: file, lock: lock ?? .key(try key()), now: 1_800_000_000)
    }

    private func restore(
        to folders: StateFolders? = nil, _ lock: StateBackup.Lock? = nil, force: Bool = false,
        mesh name: String = "lab"
    ) throws -> StateRestore.Report {
        try StateRestore(folders ?? elsewhere, mesh: name, replaces: force).run(
            try Files.read(file), lock: lock ?? .key(try key()))
    }

    private func refusal(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return (error as? ControllerError)?.message ?? "\(error)" }
        return nil
    }

    /// Everything in a store but its versions.
    private func entries(_ folders: StateFolders) throws -> [String: [UInt8]] {
        let store = try #require(try StateStore.openForReading(folder: folders.state))
        return Dictionary(uniqueKeysWithValues: try store.list("").map { ($0.key, $0.value) })
    }

    @Test("restored elsewhere, the state has every entry and every secret, and runs the mesh")
    func roundTrip() throws {
        let report = try backup()
        #expect(report.secrets == 4 && report.lock == "key")
        #expect(Files.mode(file) == 0o600)
        let restored = try restore()
        #expect(restored.madeAt == 1_800_000_000 && restored.kept.isEmpty)
        #expect(try entries(elsewhere) == entries(mesh.folders))
        #expect(try openSecrets(elsewhere) == before)
        #expect(Files.mode(elsewhere.keyFile) == 0o600 && Files.mode(elsewhere.state) == 0o700)
        let state = try ControllerState(
            elsewhere, mesh: "lab", passphraseFile: nil, writing: true)
        #expect(state.identity.meshID == report.meshID)
        let up = try UpRun(
            mesh.topology, state: state, carrier: mesh.carrier, program: TestMesh.program,
            settings: mesh.settings, progress: NoProgress()
        ).run()
        #expect(up.nodes.map(\.state) == [.unchanged, .unchanged, .unchanged])
    }

    @Test("the file shows neither a secret nor a name of the mesh")
    func showsNothing() throws {
        try backup()
        let bytes = try Files.read(file)
        for secret in before.values { #expect(!bytes.contains(secret)) }
        #expect(!bytes.contains(try Files.read(mesh.folders.keyFile).dropLast()))
        for word in ["edge", "meshID", "psk/"] { #expect(!bytes.contains(Array(word.utf8))) }
    }

    @Test("a passphrase opens its backup; a wrong one, a cut and a changed file restore nothing")
    func passphraseAndDamage() throws {
        try backup(.passphrase(try passphrase("six words")))
        let whole = try Files.read(file)
        #expect(
            refusal { _ = try restore(.passphrase(try passphrase("other"))) }?.contains(
                "the passphrase is not the one") == true)
        try Files.replace(file, with: whole.dropLast(100))
        #expect(
            refusal { _ = try restore(.passphrase(try passphrase("six words"))) }?.contains(
                "damaged") == true)
        var changed = whole
        changed[changed.count - 300] ^= 1
        try Files.replace(file, with: SealedFile.redigest(changed))
        #expect(
            refusal { _ = try restore(.passphrase(try passphrase("six words"))) }?.contains(
                "was changed after it was made") == true)
        changed = whole
        changed[4] = 9
        try Files.replace(file, with: changed)
        #expect(
            refusal { _ = try restore(.passphrase(try passphrase("six words"))) }?.contains(
                "format 9") == true)
        #expect(!Files.exists("\(mesh.root)/elsewhere"), "nothing was written")
        try Files.replace(file, with: whole)
        _ = try restore(.passphrase(try passphrase("six words")))
        #expect(try openSecrets(elsewhere) == before)
    }

    @Test("thousands of mutated backups restore nothing and write nothing")
    func fuzz() throws {
        try backup()
        let whole = try Files.read(file)
        let key = try key()
        let run = StateRestore(elsewhere, mesh: "lab", replaces: true)
        var random = SplitMix(42)
        for round in 0..<min(fuzzRounds(2_000), 10_000) {
            var bytes = whole
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] ^=
                    UInt8.random(in: 1...255, using: &random)
            }
            if random.chance(3) {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            }
            if bytes == whole { continue }
            if random.chance(2) { bytes = SealedFile.redigest(bytes) }
            if bytes == whole { continue }
            #expect(throws: ControllerError.self, "round \(round)") {
                _ = try run.run(bytes, lock: .key(key))
            }
        }
        #expect(!Files.exists("\(mesh.root)/elsewhere"))
    }

    @Test("what is sealed rightly and is no state is refused", arguments: [0, 1, 7, 40, 400])
    func sealedNonsense(_ count: Int) throws {
        var random = SplitMix(UInt64(count))
        for _ in 0..<20 {
            var bytes = random.bytes(count)
            // A believable length in front, so that more than the first field is reached.
            if count > 4 { bytes.replaceSubrange(0..<4, with: [0, 0, 0, 2]) }
            let sealed = try SealedFile.seal(try SecretBytes(wiping: &bytes), key: try key())
            try Files.replace(file, with: sealed)
            #expect(throws: ControllerError.self) { _ = try restore() }
        }
        #expect(!Files.exists("\(mesh.root)/elsewhere"))
    }

    @Test("a state that is there is refused, and with force kept beside with its key")
    func keepsOld() throws {
        try backup()
        let other = try TestMesh(["db", "fox"])
        _ = try other.up()
        let old = try openSecrets(other.folders)
        #expect(refusal { _ = try restore(to: other.folders) }?.contains("already") == true)
        #expect(try openSecrets(other.folders) == old)
        let report = try restore(to: other.folders, force: true)
        #expect(report.kept.count == 2)
        #expect(try openSecrets(other.folders) == before)
        #expect(
            try openSecrets(StateFolders(state: report.kept[0], keyFile: report.kept[1])) == old)
    }

    @Test("a lone key file that is another's is refused, and one that is the backup's is used")
    func loneKeyFile() throws {
        try backup()
        try Files.makeFolder("\(mesh.root)/elsewhere")
        let own = try Files.read(mesh.folders.keyFile)
        try Files.replace(elsewhere.keyFile, with: own, mode: 0o600)
        _ = try restore()
        #expect(try openSecrets(elsewhere) == before)
        try Files.removeTree(elsewhere.state)
        let foreign = try Files.read("\(mesh.root)/backup.key")
        try Files.replace(elsewhere.keyFile, with: foreign, mode: 0o600)
        #expect(refusal { _ = try restore() }?.contains("another key") == true)
        #expect(try Files.read(elsewhere.keyFile) == foreign)
    }

    @Test(
        "killed after any step, nothing is lost, and the same call again restores",
        arguments: StateRestore.Step.allCases)
    func killed(_ step: StateRestore.Step) throws {
        try backup()
        let other = try TestMesh(["db", "fox"])
        _ = try other.up()
        let old = try openSecrets(other.folders)
        struct Killed: Error {}
        var run = StateRestore(other.folders, mesh: "lab", replaces: true)
        run.after = { if $0 == step { throw Killed() } }
        #expect(throws: ControllerError.self) {
            _ = try run.run(try Files.read(file), lock: .key(try key()))
        }
        if step == .stateInPlace {
            _ = try ControllerState(other.folders, mesh: "lab", passphraseFile: nil, writing: true)
            #expect(try openSecrets(other.folders) == before)
        }
        _ = try restore(to: other.folders, force: true)
        #expect(try openSecrets(other.folders) == before)
        // The old pair is somewhere beside, whole.
        let names = try Files.list(other.root).map { "\(other.root)/\($0)" }
        let states = names.filter { $0.contains("/state.before-restore") }
        let keys = names.filter { $0.contains("/mesh.kek.before-restore") }
        let pairs = states.flatMap { state in keys.map { StateFolders(state: state, keyFile: $0) } }
        #expect(pairs.contains { (try? openSecrets($0)) == old }, "\(names)")
    }

    @Test(
        "another mesh's backup, a state in use, no state at all, and the state's own key are refused"
    )
    func refuses() throws {
        try backup()
        #expect(
            refusal { _ = try restore(mesh: "other") }?.contains("backup of mesh lab") == true)
        let writer = try mesh.state()
        #expect(
            refusal { _ = try restore(to: mesh.folders, force: true) }?.contains(
                "another meshproof")
                == true)
        #expect(try backup().secrets == 4, "a backup is made beside a writer")
        withExtendedLifetime(writer) {}
        let own = try KeyFile.open(
            mesh.folders.keyFile, stateFolder: mesh.folders.state, mayCreate: false
        ).key
        #expect(refusal { try backup(.key(own)) }?.contains("the state's own key") == true)
        let empty = try TestMesh([])
        let none = StateBackup(empty.folders, mesh: "lab", passphraseFile: nil)
        #expect(
            refusal { _ = try none.write(to: file, lock: .key(try key()), now: 1) }?.contains(
                "no state") == true)
    }

    @Test("a state that a passphrase locks is restored so, and a damaged secret stops the backup")
    func passphraseState() throws {
        let phrase = "\(mesh.root)/phrase"
        try Files.replace(phrase, with: "one".utf8, mode: 0o600)
        var rekey = StateRekey(mesh.folders, mesh: "lab", passphraseFile: nil)
        rekey.limits = .interactive
        _ = try rekey.run(to: .passphrase(try passphrase("one")))
        try backup(passphraseFile: phrase)
        #expect(try restore().keyFile == nil)
        #expect(try openSecrets(elsewhere, passphrase: "one") == before)
        do {
            let store = try StateStore.openForWriting(folder: mesh.folders.state)
            let registry = SecretRegistry(store)
            for (name, sealed) in try registry.all() {
                var damaged = sealed
                damaged[damaged.count - 1] ^= 1
                try registry.replace([name: damaged])
            }
        }
        #expect(refusal { try backup(passphraseFile: phrase) }?.contains("changed") == true)
    }
}
