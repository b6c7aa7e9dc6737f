import LinuxSystem
import NodeProtocol
public import Secrets
import StateStore

/// Writes the controller's state, and the key to its secrets, into one sealed file.
///
/// *Idempotency:* changes nothing of the state; another meshproof may work on it meanwhile, and the backup is the
/// state after one of its commits.
public struct StateBackup: Sendable {
    /// What was written.
    public struct Report: Codable, Sendable, Equatable {
        /// The mesh's name.
        public var mesh: String
        /// The mesh's identity.
        public var meshID: String
        /// The file.
        public var file: String
        /// *Units:* bytes.
        public var size: Int
        /// How many entries the state has.
        public var entries: Int
        /// How many of them are sealed secrets; each was opened once.
        public var secrets: Int
        /// What opens it: `passphrase` or `key`.
        public var lock: String
    }

    /// What is to open the backup.
    public enum Lock: Sendable {
        /// A passphrase, by Argon2id.
        case passphrase(SecretBytes)
        /// A key of its own, which must not be the state's.
        case key(KeyEncryptionKey)
    }

    let folders: StateFolders
    let mesh: String
    let passphraseFile: String?
    /// How hard guessing the backup's passphrase is made.
    package var limits = Passphrase.Limits.moderate

    /// Names the state; `passphraseFile` unlocks it where a passphrase locks it.
    public init(_ folders: StateFolders, mesh: String, passphraseFile: String?) {
        self.folders = folders
        self.mesh = mesh
        self.passphraseFile = passphraseFile
    }

    /// Seals the state into `file`, mode 0600, in the place of one that was there.
    ///
    /// *Throws:* ``ControllerError`` `state` where there is no state, where a secret in it does not open, and where the
    /// file cannot be written; `usage` for the state's own key as the backup's.
    public func write(to file: String, lock: Lock, now: Double) throws(ControllerError) -> Report {
        try ControllerState.translate {
            guard let store = try StateStore.openForReading(folder: folders.state) else {
                throw ControllerError(
                    .state, "there is no state of mesh \(mesh) in \(folders.state)",
                    hint: "run meshproof up, which makes it, or name its folder with --state")
            }
            let entries = try store.list("")
            guard let meshID = try MeshRegistry(store).identity() else {
                throw ControllerError(.state, "the state has no mesh yet", hint: "run meshproof up")
            }
            let stateLock = try StateLock(entries)
            let kek = try stateLock.key(folders, passphraseFile: passphraseFile)
            try stateLock.check(with: Vault(key: kek))
            if case .key(let key) = lock, key.id == kek.id {
                throw ControllerError(
                    .usage, "that is the state's own key, which state rekey and shred destroy",
                    hint: "name another file: it is made where there is none")
            }
            let content = BackupContent(
                about: BackupContent.About(
                    mesh: mesh, meshID: meshID, madeAt: now, program: ProgramVersion.current),
                kek: kek.material, entries: entries.map { ($0.key, $0.value) })
            let secret = try content.encoded()
            let sealed: [UInt8]
            switch lock {
            case .passphrase(let passphrase):
                sealed = try SealedFile.seal(secret, passphrase: passphrase, limits: limits)
            case .key(let key): sealed = try SealedFile.seal(secret, key: key)
            }
            do { try Files.replace(file, with: sealed, mode: 0o600) } catch {
                throw ControllerError(
                    .state, "cannot write the backup: \(error)",
                    hint: "name a file in a folder that exists and has room")
            }
            return Report(
                mesh: mesh, meshID: meshID, file: file, size: sealed.count, entries: entries.count,
                secrets: stateLock.sealed.count,
                lock: try SealedFile.lock(of: sealed) == .key ? "key" : "passphrase")
        }
    }
}
