import Secrets
import StateStore

/// What locks a state's secrets, as its entries say.
struct StateLock {
    /// How to make the key of a passphrase; nil where a key file locks it.
    let passphrase: Passphrase.Parameters?
    /// The name of the key that the secrets are sealed with; nil where nothing is sealed.
    let keyID: [UInt8]?
    /// The name of the key before, while its file may still be there.
    let retired: [UInt8]?
    let sealed: [SealedEntry]

    static let passphraseKey = "kek/passphrase"
    static let retiredKey = "kek/retired"

    /// Reads it from all entries of a store.
    init(_ entries: [VersionedEntry]) throws {
        func value(_ key: String) -> [UInt8]? { entries.first { $0.key == key }?.value }
        passphrase = try value(Self.passphraseKey).map(Passphrase.Parameters.init(encoded:))
        retired = value(Self.retiredKey)
        sealed = try SealedEntry.all(in: entries)
        keyID = try sealed.first.map { try Vault.keyID(of: $0.sealed, name: $0.name) }
    }

    /// Reads what is needed to open the state, without the receipts and the many preshared keys.
    static func brief(_ store: StateStore) throws -> StateLock {
        let entries = try store.list("kek/") + store.list("secret/")
        let brief = try StateLock(entries)
        return brief.keyID == nil ? try StateLock(entries + store.list("psk/")) : brief
    }

    /// The key, from the passphrase or the key file, without changing anything.
    func key(
        _ folders: StateFolders, passphraseFile: String?
    ) throws -> KeyEncryptionKey {
        if let passphrase {
            return try Passphrase.open(try PassphraseInput.read(passphraseFile), passphrase)
        }
        guard let key = try KeyFileChange.find(folders.keyFile, wanted: keyID) else {
            throw ControllerError(
                .state, "the key file \(folders.keyFile) is not there, or is not this state's",
                hint: "restore it from its backup; without it the secrets cannot be opened")
        }
        return key
    }

    /// Opens every secret once, so that a damaged one is noticed while there are other copies.
    func check(with vault: Vault) throws {
        for entry in sealed { _ = try vault.open(entry.sealed, name: entry.name) }
    }
}
