import MeshModel
import Secrets
import StateStore

extension ControllerState {
    /// Finds the key that opens the secrets: the passphrase's where one was set, else the key file's, made if nothing is
    /// sealed yet.
    static func unlock(
        _ store: StateStore, _ folders: StateFolders, passphraseFile: String?
    ) throws(ControllerError) -> (key: KeyEncryptionKey, notice: String?) {
        try translate {
            let record = try store.get(passphraseKey)?.value
            let hasSecrets = try !SecretRegistry(store).all().isEmpty
            if let record {
                let parameters = try Passphrase.Parameters(encoded: record)
                return (
                    try Passphrase.open(try PassphraseInput.read(passphraseFile), parameters), nil
                )
            }
            if passphraseFile != nil && hasSecrets {
                throw ControllerError(
                    .usage,
                    "the controller's state is locked by \(folders.keyFile), not a passphrase",
                    hint: "leave --passphrase-file out")
            }
            if passphraseFile != nil {
                let made = try Passphrase.create(try PassphraseInput.read(passphraseFile))
                try store.put(passphraseKey, made.parameters.encoded, expecting: .absent)
                return (made.key, nil)
            }
            let file = try KeyFile.open(
                folders.keyFile, stateFolder: folders.state, mayCreate: !hasSecrets)
            return (file.key, file.isNew ? KeyFile.backupNotice(folders.keyFile) : nil)
        }
    }

    private static let passphraseKey = "kek/passphrase"
    private static let signingKeyName = "controller-signing-key"

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
