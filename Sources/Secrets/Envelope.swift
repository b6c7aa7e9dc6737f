import CSodium

/// A sealed secret's bytes, and the sealing and opening of them.
///
/// *Shape:* format 1, all lengths in bytes:
///
///     offset  bytes   what
///     0       4       "mpse"
///     4       1       format, 1
///     5       16      KeyEncryptionKey.id of the key that wraps the data key
///     21      24      nonce of the wrapping
///     45      32+16   the data key, encrypted by the key-encryption key, and its tag
///     93      24      nonce of the sealing
///     117     n+16    the secret of n bytes, encrypted by the data key, and its tag
///
/// Both encryptions are XChaCha20-Poly1305 (IETF). Authenticated along with the wrapping are offsets 0 to 20, "wrap"
/// and the secret's name; with the sealing offsets 0 to 4, "seal" and the name. The sealing does not know the
/// key-encryption key, so that rewrapping leaves it as it is.
enum Envelope {
    static let magic = Array("mpse".utf8)
    static let format: UInt8 = 1
    static let idCount = 16
    static let nonceCount = 24
    static let tagCount = 16
    static let dataKeyCount = 32
    /// What one sealing draws: data key, nonce of the wrapping, nonce of the sealing.
    static let randomCount = dataKeyCount + 2 * nonceCount

    private static let idStart = 5
    private static let wrapStart = 21
    private static let bodyStart = 93
    private static let overhead = bodyStart + nonceCount + tagCount

    /// Seals with `random`, of ``randomCount`` bytes that are used for nothing else.
    static func seal(
        _ secret: UnsafeRawBufferPointer, name: String, kek: KeyEncryptionKey,
        random: UnsafeRawBufferPointer
    ) -> [UInt8] {
        let dataKey = part(random, 0, dataKeyCount)
        let header = magic + [format] + kek.id
        var blob = header
        blob.reserveCapacity(overhead + secret.count)
        blob += part(random, dataKeyCount, nonceCount)
        kek.key.withBytes { key in
            blob += encrypt(
                dataKey, key: key, nonce: part(random, dataKeyCount, nonceCount),
                with: wrapContext(header, name))
        }
        let sealNonce = part(random, dataKeyCount + nonceCount, nonceCount)
        blob += sealNonce
        blob += encrypt(secret, key: dataKey, nonce: sealNonce, with: sealContext(header, name))
        return blob
    }

    /// How many bytes the secret in a sealed one has.
    static func secretCount(of blob: [UInt8], name: String) throws(SecretsError) -> Int {
        try inspect(blob, name)
        return blob.count - overhead
    }

    /// Which key wraps the data key.
    static func keyID(of blob: [UInt8], name: String) throws(SecretsError) -> [UInt8] {
        try inspect(blob, name)
        return Array(blob[idStart..<wrapStart])
    }

    /// Opens into `target`, of exactly ``secretCount(of:name:)`` bytes; `dataKey` is scratch of ``dataKeyCount`` bytes.
    static func open(
        _ blob: [UInt8], name: String, kek: KeyEncryptionKey,
        dataKey: UnsafeMutableRawBufferPointer,
        into target: UnsafeMutableRawBufferPointer
    ) throws(SecretsError) {
        try unwrap(blob, name: name, kek: kek, into: dataKey)
        let opened = blob.withUnsafeBytes { bytes in
            decrypt(
                part(bytes, bodyStart + nonceCount, target.count + tagCount),
                key: UnsafeRawBufferPointer(dataKey), nonce: part(bytes, bodyStart, nonceCount),
                with: sealContext(Array(bytes.prefix(wrapStart)), name), into: target)
        }
        if !opened { throw tampered(name) }
    }

    /// The same sealed secret with its data key wrapped by `new`; `scratch` has ``dataKeyCount`` bytes.
    static func rewrap(
        _ blob: [UInt8], name: String, from old: KeyEncryptionKey, to new: KeyEncryptionKey,
        nonce: [UInt8], scratch: UnsafeMutableRawBufferPointer
    ) throws(SecretsError) -> [UInt8] {
        try unwrap(blob, name: name, kek: old, into: scratch)
        let header = magic + [format] + new.id
        var wrapped: [UInt8] = []
        new.key.withBytes { key in
            nonce.withUnsafeBytes { nonce in
                wrapped = encrypt(
                    UnsafeRawBufferPointer(scratch), key: key, nonce: nonce,
                    with: wrapContext(header, name))
            }
        }
        return header + nonce + wrapped + blob[bodyStart...]
    }

    private static func unwrap(
        _ blob: [UInt8], name: String, kek: KeyEncryptionKey,
        into dataKey: UnsafeMutableRawBufferPointer
    ) throws(SecretsError) {
        try inspect(blob, name)
        guard blob[idStart..<wrapStart].elementsEqual(kek.id) else {
            throw SecretsError(
                .otherKey, "open secret", name, "was sealed with another key-encryption key",
                hint: kek.origin.hint)
        }
        let opened = blob.withUnsafeBytes { bytes in
            kek.key.withBytes { key in
                decrypt(
                    part(bytes, wrapStart + nonceCount, dataKeyCount + tagCount), key: key,
                    nonce: part(bytes, wrapStart, nonceCount),
                    with: wrapContext(Array(bytes.prefix(wrapStart)), name), into: dataKey)
            }
        }
        if !opened { throw tampered(name) }
    }

    private static func inspect(_ blob: [UInt8], _ name: String) throws(SecretsError) {
        guard blob.count >= idStart, blob.starts(with: magic) else { throw malformed(name) }
        guard blob[4] == format else {
            throw SecretsError(
                .format, "open secret", name, "was sealed in format \(blob[4])",
                hint: "use the newer meshproof that was here before")
        }
        guard blob.count >= overhead else { throw malformed(name) }
    }

    private static func wrapContext(_ header: [UInt8], _ name: String) -> [UInt8] {
        header + "wrap".utf8 + name.utf8
    }

    private static func sealContext(_ header: [UInt8], _ name: String) -> [UInt8] {
        Array(header.prefix(idStart)) + "seal".utf8 + name.utf8
    }

    private static func part(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int
    ) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
    }

    private static func encrypt(
        _ text: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer,
        with context: [UInt8]
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: text.count + tagCount) { result, count in
            // It cannot fail: all lengths are far below its limits.
            _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                UnsafeMutableRawBufferPointer(result).bytePointer, nil, text.bytePointer,
                UInt64(text.count),
                context, UInt64(context.count), nil, nonce.bytePointer, key.bytePointer)
            count = text.count + tagCount
        }
    }

    private static func decrypt(
        _ text: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer,
        with context: [UInt8], into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            target.bytePointer, nil, nil, text.bytePointer, UInt64(text.count), context,
            UInt64(context.count), nonce.bytePointer, key.bytePointer) == 0
    }

    static func tampered(_ name: String) -> SecretsError {
        SecretsError(
            .tampered, "open secret", name,
            "was changed after it was sealed, or was sealed under another name",
            hint: "restore the state from a backup, and find out who could write to it")
    }

    private static func malformed(_ name: String) -> SecretsError {
        SecretsError(
            .malformed, "open secret", name, "is no sealed secret",
            hint: "restore the state from a backup")
    }
}
