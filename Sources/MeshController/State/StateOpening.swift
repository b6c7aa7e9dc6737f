import MeshModel
import Secrets
import StateStore

extension ControllerState {
    /// Finds the key that opens the secrets: the passphrase's where one was set, else the key file's, made if nothing is
    /// sealed yet. A change of that key that was cut short is brought to its end first.
    static func unlock(
        _ store: StateStore, _ folders: StateFolders, passphraseFile: String?
    ) throws(ControllerError) -> (key: KeyEncryptionKey, notice: String?) {
        try translate {
            let lock = try StateLock.brief(store)
            if let parameters = lock.passphrase {
                let key = try Passphrase.open(try PassphraseInput.read(passphraseFile), parameters)
                try settle(store, folders, lock) { _ in }
                return (key, nil)
            }
            if passphraseFile != nil && lock.keyID != nil {
                throw ControllerError(
                    .usage,
                    "the controller's state is locked by \(folders.keyFile), not a passphrase",
                    hint: "leave --passphrase-file out")
            }
            try settle(store, folders, lock) { _ in }
            if passphraseFile != nil {
                let made = try Passphrase.create(try PassphraseInput.read(passphraseFile))
                try store.put(StateLock.passphraseKey, made.parameters.encoded, expecting: .absent)
                return (made.key, nil)
            }
            let file = try KeyFile.open(
                folders.keyFile, stateFolder: folders.state, mayCreate: lock.keyID == nil)
            return (file.key, file.isNew ? KeyFile.backupNotice(folders.keyFile) : nil)
        }
    }

    /// Makes the key file what the state wants, and forgets the old key once it is gone.
    static func settle(
        _ store: StateStore, _ folders: StateFolders, _ lock: StateLock,
        after: (KeyFileChange.Move) throws(SecretsError) -> Void
    ) throws {
        try KeyFileChange.settle(
            folders.keyFile, wanted: lock.passphrase == nil ? lock.keyID : nil,
            retired: lock.retired, after: after)
        guard lock.retired != nil else { return }
        try store.delete(StateLock.retiredKey)
        try store.scrub()
    }

    static let signingKeyName = "controller-signing-key"

    static func signingKey(
        _ store: StateStore, _ vault: Vault
    ) throws(ControllerError) -> SigningKey {
        try translate {
            let registry = SecretRegistry(store)
            if let sealed = try registry.sealed(signingKeyName) {
                return try SigningKey(seed: try vault.open(sealed, name: signingKeyName))
            }
            let made = try SigningKey()
            let sealed = try vault.seal(made.seed, name: signingKeyName)
            let kept = try registry.settle(signingKeyName) { sealed }
            return kept == sealed
                ? made : try SigningKey(seed: try vault.open(kept, name: signingKeyName))
        }
    }

    static func newMeshID() -> String {
        var generator = SystemRandomNumberGenerator()
        return Base64.hex((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
