import LinuxSystem
import MeshController
import MeshModel
import Secrets
import StateStore

/// Every secret of a state by the store's key, opened with what is on the disk: by the registries and the vault
/// alone, so that what they show does not hang on the code under test.
func openSecrets(
    _ folders: StateFolders, passphrase: String? = nil
) throws -> [String: [UInt8]] {
    let store = try StateStore.openForWriting(folder: folders.state)
    let key: KeyEncryptionKey
    if let record = try store.get("kek/passphrase")?.value {
        var bytes = Array((passphrase ?? "").utf8)
        key = try Passphrase.open(
            SecretBytes(wiping: &bytes), Passphrase.Parameters(encoded: record))
    } else {
        key = try KeyFile.open(
            folders.keyFile, stateFolder: folders.state, mayCreate: false
        ).key
    }
    let vault = Vault(key: key)
    var found: [String: [UInt8]] = [:]
    for (name, sealed) in try SecretRegistry(store).all() {
        found[name] = contents(try vault.open(sealed, name: name))
    }
    let keys = PresharedKeyRegistry(store)
    for generation in try keys.generations() {
        for (pair, entry) in try keys.all(generation: generation) {
            let name = "psk/\(generation)/\(pair.a)/\(pair.b)/\(entry.id.rawValue)"
            found[name] = contents(try vault.open(entry.sealed, name: name))
        }
    }
    return found
}

private func contents(_ secret: SecretBytes) -> [UInt8] {
    var copy: [UInt8] = []
    secret.withBytes { copy = Array($0) }
    return copy
}

/// A passphrase for a call that takes one.
func passphrase(_ text: String) throws -> SecretBytes {
    var bytes = Array(text.utf8)
    return try SecretBytes(wiping: &bytes)
}

/// Every file below a folder, by path.
func filesBelow(_ folder: String) throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    for name in try Files.list(folder) {
        let path = "\(folder)/\(name)"
        if Files.isFolder(path) {
            found.merge(try filesBelow(path)) { first, _ in first }
        } else {
            found[path] = try Files.read(path)
        }
    }
    return found
}
