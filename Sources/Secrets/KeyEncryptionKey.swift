import CSodium

/// The key that wraps the data keys: whoever has it can open every sealed secret.
///
/// Made by ``KeyFile`` or ``Passphrase``. *Shape:* 32 bytes.
public final class KeyEncryptionKey: Sendable {
    /// Its name, kept with each sealed secret so that a wrong key is told from a damaged secret. Not a secret.
    ///
    /// *Shape:* 16 bytes of BLAKE2b, keyed with the text `meshproof kek id v1`, over the key.
    public let id: [UInt8]
    let key: SecretBytes

    static let width = 32
    static let idCount = 16

    /// Where the key came from, for a message when it is the wrong one.
    let origin: Origin

    enum Origin: Sendable {
        case file(String)
        case passphrase
        case given

        /// What an operator does about a secret that another key sealed.
        var hint: String {
            switch self {
            case .file(let path):
                "restore the key file \(path) that this state was made with from its backup"
            case .passphrase: "give the passphrase that this state was made with"
            case .given: "use the key that this state was made with"
            }
        }
    }

    /// A key of 32 bytes that the caller has from elsewhere, such as a machine's own credential store.
    public convenience init(_ key: SecretBytes) throws(SecretsError) {
        try self.init(key, origin: .given)
    }

    /// The key itself, for a backup that is sealed in its turn.
    public var material: SecretBytes { key }

    init(_ key: SecretBytes, origin: Origin) throws(SecretsError) {
        guard key.count == Self.width else {
            throw SecretsError(
                .length, "key-encryption key", "", "has \(key.count) bytes",
                hint: "it must have \(Self.width)")
        }
        let context = Array("meshproof kek id v1".utf8)
        var id = [UInt8](repeating: 0, count: Self.idCount)
        key.withBytes { bytes in
            // It can refuse only lengths, and these are fixed.
            _ = crypto_generichash(
                &id, id.count, bytes.bytePointer, UInt64(bytes.count), context, context.count)
        }
        self.id = id
        self.key = key
        self.origin = origin
    }
}
