import CSodium
public import MeshModel

/// One secret sealed into a file of its own that can be opened far from where it was made.
///
/// *Shape:* format 1, all lengths in bytes:
///
///     offset  bytes   what
///     0       4       "mpbk"
///     4       1       format, 1
///     5       1       lock: 1 passphrase, 2 key
///     6       53|16   Passphrase.Parameters | KeyEncryptionKey.id
///     59|22   n       the sealed secret, see `Envelope`; its name is "sealed-file/" and the digest of all before it
///     -32     32      SHA-256 of everything before
///
/// The digest at the end has no key: it tells a damaged copy from a wrong passphrase, and before anybody is asked for
/// one. What was changed on purpose is found out by the sealing, which covers every byte.
public enum SealedFile {
    /// What opens the file.
    public enum Lock: Sendable, Equatable {
        /// A passphrase.
        case passphrase
        /// A key of 32 bytes.
        case key
    }

    /// Seals with a key of its own for the file, derived from a passphrase.
    public static func seal(
        _ secret: some SecretMaterial, passphrase: some SecretMaterial,
        limits: Passphrase.Limits = .moderate
    ) throws(SecretsError) -> [UInt8] {
        let made = try Passphrase.create(passphrase, limits: limits)
        return try seal(secret, .passphrase, made.parameters.encoded, made.key)
    }

    /// Seals with a key that the caller keeps elsewhere.
    public static func seal(
        _ secret: some SecretMaterial, key: KeyEncryptionKey
    ) throws(SecretsError) -> [UInt8] {
        try seal(secret, .key, key.id, key)
    }

    /// What opens a file, which is judged whole first.
    ///
    /// *Throws:* ``SecretsError`` `malformed` for what is no such file, `format` for a newer one, `damaged` for one that
    /// was cut or changed on its way.
    public static func lock(of bytes: [UInt8]) throws(SecretsError) -> Lock {
        try Parts(bytes).lock
    }

    /// Opens what a passphrase sealed.
    ///
    /// *Throws:* as ``lock(of:)``; ``SecretsError`` `wrongPassphrase`, `otherKey` where a key is what it takes, and
    /// `tampered`.
    public static func open(
        _ bytes: [UInt8], passphrase: some SecretMaterial
    ) throws(SecretsError) -> SecretBytes {
        let parts = try Parts(bytes)
        guard parts.lock == .passphrase else { throw parts.otherLock }
        let parameters = try Passphrase.Parameters(encoded: parts.record)
        let key: KeyEncryptionKey
        do { key = try Passphrase.open(passphrase, parameters) } catch {
            guard error.code == .wrongPassphrase else { throw error }
            throw SecretsError(
                .wrongPassphrase, operation, "", "the passphrase is not the one it was sealed with",
                hint: "try again; mind the keyboard layout and capitals")
        }
        return try parts.open(key)
    }

    /// Opens what a key sealed.
    ///
    /// *Throws:* as ``lock(of:)``; ``SecretsError`` `otherKey` for another key or where it takes a passphrase, and
    /// `tampered`.
    public static func open(
        _ bytes: [UInt8], key: KeyEncryptionKey
    ) throws(SecretsError) -> SecretBytes {
        let parts = try Parts(bytes)
        guard parts.lock == .key else { throw parts.otherLock }
        guard parts.record == key.id else {
            throw SecretsError(
                .otherKey, operation, "", "was sealed with another key",
                hint: "give the key file that it was made with")
        }
        return try parts.open(key)
    }

    /// Puts the digest anew behind bytes that were changed, as somebody would who means harm: for tests.
    package static func redigest(_ bytes: [UInt8]) -> [UInt8] {
        let body = Array(bytes.dropLast(digestCount))
        return body + digest(body)
    }

    private static let operation = "open sealed file"
    private static let magic = Array("mpbk".utf8)
    private static let format: UInt8 = 1
    private static let digestCount = 32

    private static func seal(
        _ secret: some SecretMaterial, _ lock: Lock, _ record: [UInt8], _ key: KeyEncryptionKey
    ) throws(SecretsError) -> [UInt8] {
        let head = magic + [format, lock == .passphrase ? 1 : 2] + record
        let body = head + (try Vault(key: key).seal(secret, name: name(head)))
        return body + digest(body)
    }

    private static func name(_ head: [UInt8]) -> String { "sealed-file/" + Digests.sha256(head) }

    private static func digest(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: digestCount)
        crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
        return digest
    }

    /// A file taken apart, after its digest was found right.
    private struct Parts {
        let lock: Lock
        let record: [UInt8]
        let head: [UInt8]
        let sealed: [UInt8]

        init(_ bytes: [UInt8]) throws(SecretsError) {
            guard bytes.starts(with: magic) else {
                throw SecretsError(
                    .malformed, operation, "", "is no sealed file of meshproof",
                    hint: "name the file that state backup wrote")
            }
            // Before the digest: a newer format may have another.
            guard bytes.count > 5, bytes[4] <= format else {
                if bytes.count <= 5 { throw Self.damaged }
                throw SecretsError(
                    .format, operation, "",
                    "has format \(bytes[4]), and this program knows \(format)",
                    hint: "use the meshproof that made it, or a newer one")
            }
            let body = Array(bytes.dropLast(digestCount))
            guard bytes.count > digestCount + 6,
                digest(body).elementsEqual(bytes.suffix(digestCount))
            else { throw Self.damaged }
            let recordCount: Int
            switch bytes[5] {
            case 1: (lock, recordCount) = (.passphrase, Passphrase.Parameters.count)
            case 2: (lock, recordCount) = (.key, KeyEncryptionKey.idCount)
            default: throw Self.damaged
            }
            let end = 6 + recordCount
            guard bytes[4] == format, body.count > end else { throw Self.damaged }
            record = Array(body[6..<end])
            head = Array(body[..<end])
            sealed = Array(body[end...])
        }

        func open(_ key: KeyEncryptionKey) throws(SecretsError) -> SecretBytes {
            do { return try Vault(key: key).open(sealed, name: name(head)) } catch {
                // The lock was right, so whatever is wrong with the rest was done to it.
                switch error.code {
                case .tampered, .malformed, .format, .otherKey:
                    throw SecretsError(
                        .tampered, operation, "", "was changed after it was made",
                        hint: "use another copy, and find out who could write to this one")
                default: throw error
                }
            }
        }

        var otherLock: SecretsError {
            SecretsError(
                .otherKey, operation, "",
                lock == .key ? "is locked with a key file" : "is locked with a passphrase",
                hint: lock == .key ? "give it with --key FILE" : "leave --key out")
        }

        private static var damaged: SecretsError {
            SecretsError(
                .damaged, operation, "", "is damaged: bytes of it are missing or changed",
                hint: "use another copy; sha256sum tells whether two are the same")
        }
    }
}
