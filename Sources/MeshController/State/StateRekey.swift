import MeshModel
public import Secrets
import StateStore

/// Changes the key-encryption key: every data key is wrapped anew, in one commit, and no secret is opened.
///
/// At every moment the old key or the new one opens everything; the next open of the state ends a change that was cut
/// short. *Idempotency:* each run makes another key.
public struct StateRekey: Sendable {
    /// What was done.
    public struct Report: Codable, Sendable, Equatable {
        /// The mesh's name.
        public var mesh: String
        /// What locked the state before: `key file` or `passphrase`.
        public var before: String
        /// What locks it now, likewise.
        public var now: String
        /// The key file, where it is one.
        public var keyFile: String?
        /// How many secrets were wrapped anew.
        public var secrets: Int
        /// What an operator must know now, a line each.
        public var notes: [String]
    }

    /// What is to lock the state.
    public enum Lock: Sendable {
        /// A new key in the state's key file.
        case keyFile
        /// A passphrase, by Argon2id.
        case passphrase(SecretBytes)
    }

    /// What is done to the disk, for a test that stops in between.
    package enum Step: Sendable, Equatable {
        case keyMade
        case committed
        case moved(KeyFileChange.Move)
    }

    let folders: StateFolders
    let mesh: String
    let passphraseFile: String?
    /// How hard guessing the new passphrase is made.
    package var limits = Passphrase.Limits.moderate
    /// Called after each step.
    package var after: @Sendable (Step) throws(SecretsError) -> Void = { (_) throws(SecretsError) in
    }

    /// Names the state; `passphraseFile` unlocks it where a passphrase locks it now.
    public init(_ folders: StateFolders, mesh: String, passphraseFile: String?) {
        self.folders = folders
        self.mesh = mesh
        self.passphraseFile = passphraseFile
    }

    /// Whether a passphrase locks the state now.
    ///
    /// *Throws:* ``ControllerError`` `state` where there is no state.
    public func isLockedByPassphrase() throws(ControllerError) -> Bool {
        try ControllerState.translate {
            guard let store = try StateStore.openForReading(folder: folders.state) else {
                throw noState
            }
            return try StateLock.brief(store).passphrase != nil
        }
    }

    /// Makes the new key, wraps every data key with it and destroys the old one.
    ///
    /// *Throws:* ``ControllerError`` `busy` while another meshproof works on the mesh; `state` where there is no state,
    /// where a secret does not open with the old key, and for a key file in the way that is not the state's.
    public func run(to lock: Lock) throws(ControllerError) -> Report {
        try ControllerState.translate {
            guard try StateStore.openForReading(folder: folders.state) != nil else { throw noState }
            let store = try StateStore.openForWriting(folder: folders.state)
            let old = try ControllerState.unlock(store, folders, passphraseFile: passphraseFile).key
            let before = try StateLock(try store.list(""))
            if before.sealed.isEmpty { throw noState }
            let (new, parameters) = try make(lock, before)
            try after(.keyMade)
            try store.commit(try changes(before, from: old, to: new, parameters))
            try after(.committed)
            try ControllerState.settle(store, folders, try StateLock.brief(store)) {
                (move) throws(SecretsError) in try after(.moved(move))
            }
            // Also where no key file went and the old wrappings are all there is to get rid of.
            try store.scrub()
            return report(before, isPassphrase: parameters != nil)
        }
    }

    private func make(
        _ lock: Lock, _ before: StateLock
    ) throws -> (KeyEncryptionKey, Passphrase.Parameters?) {
        switch lock {
        case .passphrase(let passphrase):
            let made = try Passphrase.create(passphrase, limits: limits)
            return (made.key, made.parameters)
        case .keyFile:
            if before.passphrase != nil, try KeyFileChange.find(folders.keyFile, wanted: nil) != nil
            {
                throw ControllerError(
                    .state,
                    "there is a key in \(folders.keyFile) already, and it is not this state's",
                    hint: "move it away")
            }
            let key = try KeyFileChange.prepare(folders.keyFile, stateFolder: folders.state)
            return (key, nil)
        }
    }

    private func changes(
        _ before: StateLock, from old: KeyEncryptionKey, to new: KeyEncryptionKey,
        _ parameters: Passphrase.Parameters?
    ) throws -> [StoreChange] {
        let wrapped = try Vault(key: old).rewrapMany(
            before.sealed.map { ($0.sealed, $0.name) }, to: new)
        let vault = Vault(key: new)
        var changes: [StoreChange] = []
        for (entry, sealed) in zip(before.sealed, wrapped) {
            // The old key goes for good, so the new one is tried first.
            _ = try vault.open(sealed, name: entry.name)
            changes.append(entry.replaced(by: sealed))
        }
        if let parameters {
            changes.append(StoreChange(StateLock.passphraseKey, .put(parameters.encoded)))
        } else if before.passphrase != nil {
            changes.append(StoreChange(StateLock.passphraseKey, .delete))
        }
        if before.passphrase == nil {
            changes.append(StoreChange(StateLock.retiredKey, .put(old.id)))
        }
        return changes
    }

    private func report(_ before: StateLock, isPassphrase: Bool) -> Report {
        var notes = [
            "Copies of the state and of its key from before still open each other: destroy them."
        ]
        notes.append(
            isPassphrase
                ? "Without the passphrase the state's secrets are lost: keep it where you find it again."
                : "Copy the new key file to a safe place that is not where the state's backups are."
        )
        return Report(
            mesh: mesh, before: before.passphrase == nil ? "key file" : "passphrase",
            now: isPassphrase ? "passphrase" : "key file",
            keyFile: isPassphrase ? nil : folders.keyFile, secrets: before.sealed.count,
            notes: notes)
    }

    private var noState: ControllerError {
        ControllerError(
            .state, "there is no state of mesh \(mesh) in \(folders.state)",
            hint: "run meshproof up, which makes it, or name its folder with --state")
    }
}
