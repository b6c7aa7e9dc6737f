import Glibc
import LinuxSystem
import MeshModel
import Secrets
import StateStore

/// Makes the controller's state anew from a backup.
///
/// Everything is opened and checked before anything is written, then written beside, and put in place by renaming.
/// *Idempotency:* after a crash the same call again does it; what was there before is kept beside, never removed.
public struct StateRestore: Sendable {
    /// What was restored.
    public struct Report: Codable, Sendable, Equatable {
        /// The mesh's name.
        public var mesh: String
        /// The mesh's identity.
        public var meshID: String
        /// When the backup was made. *Units:* seconds since 1970.
        public var madeAt: Double
        /// Where the state is now.
        public var state: String
        /// Where the key to it is; nil where its passphrase opens it.
        public var keyFile: String?
        /// How many entries it has.
        public var entries: Int
        /// How many of them are sealed secrets; each was opened once.
        public var secrets: Int
        /// Where what was there before is kept, a path each.
        public var kept: [String]
    }

    /// What is done to the disk, for a test that stops in between.
    package enum Step: Int, CaseIterable, Sendable {
        case written, keyWritten, stateKept, keyKept, stateInPlace
    }

    let folders: StateFolders
    let mesh: String
    let replaces: Bool
    /// Called after each step.
    package var after: @Sendable (Step) throws -> Void = { _ in }

    /// - Parameter replaces: whether a state that is there steps aside; else it is an error.
    public init(_ folders: StateFolders, mesh: String, replaces: Bool) {
        self.folders = folders
        self.mesh = mesh
        self.replaces = replaces
    }

    /// Restores from the bytes of a backup.
    ///
    /// *Throws:* ``ControllerError`` `state` for a backup that does not open or is another mesh's, and where a state is
    /// there already; `busy` where another meshproof works on that one.
    public func run(_ backup: [UInt8], lock: StateBackup.Lock) throws(ControllerError) -> Report {
        try ControllerState.translate {
            let opened: SecretBytes
            switch lock {
            case .passphrase(let passphrase):
                opened = try SealedFile.open(backup, passphrase: passphrase)
            case .key(let key): opened = try SealedFile.open(backup, key: key)
            }
            let content = try BackupContent(opened)
            guard content.about.mesh == mesh else {
                throw ControllerError(
                    .state, "this is a backup of mesh \(content.about.mesh), not of \(mesh)",
                    hint: "name that mesh's topology with -t")
            }
            return try restore(content)
        }
    }

    private func restore(_ content: BackupContent) throws -> Report {
        let kek = try KeyEncryptionKey(content.kek)
        let stateLock = try StateLock(
            content.entries.map { VersionedEntry(key: $0.key, value: $0.value, version: 0) })
        try stateLock.check(with: Vault(key: kek))
        let needsKeyFile = stateLock.passphrase == nil
        let isInTheWay = try check(kek, needsKeyFile)

        let new = folders.state + ".restoring"
        try Files.removeTree(new)
        try fill(new, content.entries)
        try after(.written)
        // The old state's writers are kept out until it has stepped aside.
        let old = isInTheWay.state ? try lockOld() : nil
        defer { withExtendedLifetime(old) {} }
        let next = KeyFileChange.next(folders.keyFile)
        if needsKeyFile && !isInTheWay.keyIsOurs {
            try Files.makeFolder(Files.folder(of: folders.keyFile), mode: 0o700)
            try SecretFiles.write(content.kek, to: next)
            try after(.keyWritten)
        }
        var kept: [String] = []
        if isInTheWay.state {
            kept.append(try keep(folders.state))
            try after(.stateKept)
        }
        if needsKeyFile && !isInTheWay.keyIsOurs && Files.exists(folders.keyFile) {
            kept.append(try keep(folders.keyFile))
            try after(.keyKept)
        }
        // An empty folder is as good as none, and only a rename onto it would fail.
        _ = rmdir(folders.state)
        try Files.move(new, to: folders.state)
        try after(.stateInPlace)
        if needsKeyFile {
            try KeyFileChange.settle(folders.keyFile, wanted: kek.id, retired: nil)
        }
        return Report(
            mesh: mesh, meshID: content.about.meshID, madeAt: content.about.madeAt,
            state: folders.state, keyFile: needsKeyFile ? folders.keyFile : nil,
            entries: content.entries.count, secrets: stateLock.sealed.count, kept: kept)
    }

    /// What is there already, which is an error unless it may be replaced.
    private func check(
        _ kek: KeyEncryptionKey, _ needsKeyFile: Bool
    ) throws -> (state: Bool, keyIsOurs: Bool) {
        let hasState =
            Files.exists(folders.state) && !((try? Files.list(folders.state))?.isEmpty ?? false)
        if hasState && !replaces {
            throw ControllerError(
                .state, "there is a state in \(folders.state) already",
                hint: "name another folder with --state, or keep this one beside with --force")
        }
        guard needsKeyFile, Files.exists(folders.keyFile) else { return (hasState, false) }
        let present = try? SecretFiles.read(folders.keyFile, count: BackupContent.kekCount)
        if let present, try KeyEncryptionKey(present).id == kek.id { return (hasState, true) }
        if !replaces {
            throw ControllerError(
                .state, "there is another key in \(folders.keyFile) already",
                hint: "move it away, or keep it beside with --force")
        }
        return (hasState, false)
    }

    private func lockOld() throws -> FileLockBox? {
        guard Files.isFolder(folders.state) else { return nil }
        let path = "\(folders.state)/lock"
        guard let lock = try FileLock(path: path) else {
            throw ControllerError(
                .busy, "another meshproof is working on this mesh",
                hint: "wait for it to end, or end it, then run the command again")
        }
        return FileLockBox(lock)
    }

    /// Fills a new store in one commit, and looks whether SQLite finds it well.
    private func fill(_ folder: String, _ entries: [(key: String, value: [UInt8])]) throws {
        let store = try StateStore.openForWriting(folder: folder)
        try store.commit(entries.map { StoreChange($0.key, .put($0.value)) })
        try store.scrub()
        let damage = try store.damage()
        if let first = damage.first {
            throw ControllerError(
                .state, "the state could not be written: \(first)", hint: "look at the disk")
        }
    }

    /// Gives what is there a name that says what it is; the first that is free.
    private func keep(_ path: String) throws -> String {
        var number = 1
        while Files.exists("\(path).before-restore-\(number)") { number += 1 }
        let kept = "\(path).before-restore-\(number)"
        try Files.move(path, to: kept)
        return kept
    }
}

/// Holds a lock for as long as it lives.
private final class FileLockBox {
    private let lock: FileLock

    init(_ lock: consuming FileLock) { self.lock = lock }
}
