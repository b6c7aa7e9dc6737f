import Secrets
import StateStore

/// One entry of the store that holds a sealed secret, and how to take it apart.
struct SealedEntry {
    let key: String
    let version: UInt64
    /// What stands before the sealed secret, in clear.
    let head: [UInt8]
    let sealed: [UInt8]
    /// What it is sealed under.
    let name: String

    /// The sealed secrets among a store's entries.
    ///
    /// *Throws:* ``ControllerError`` `state` for one of a kind that is not known here: it would be left behind where
    /// all are dealt with.
    static func all(in entries: [VersionedEntry]) throws(ControllerError) -> [SealedEntry] {
        var found: [SealedEntry] = []
        for entry in entries {
            if let sealed = read(entry) {
                found.append(sealed)
            } else if Vault.isSealed(entry.value) || Vault.isSealed(entry.value.dropFirst(idCount))
            {
                throw ControllerError(
                    .state,
                    "the controller's state has a sealed secret of an unknown kind (\(entry.key))",
                    hint: "use the newer meshproof that was here before")
            }
        }
        return found
    }

    /// The change that puts another sealed form in its place, where nobody has been faster.
    func replaced(by sealed: [UInt8]) -> StoreChange {
        StoreChange(key, .put(head + sealed), expecting: .version(version))
    }

    // The name of a preshared key.
    private static let idCount = 16

    private static func read(_ entry: VersionedEntry) -> SealedEntry? {
        let parts = entry.key.split(separator: "/", maxSplits: 1)
        switch parts.first {
        case "secret":
            return SealedEntry(
                key: entry.key, version: entry.version, head: [], sealed: entry.value,
                name: String(parts.last ?? ""))
        case "psk":
            let head = Array(entry.value.prefix(idCount))
            return SealedEntry(
                key: entry.key, version: entry.version, head: head,
                sealed: Array(entry.value.dropFirst(idCount)),
                name: ControllerState.sealName(presharedKey: entry.key, id: head))
        default: return nil
        }
    }
}
