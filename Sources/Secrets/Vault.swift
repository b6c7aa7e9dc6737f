import CSodium
public import MeshModel

/// Seals secrets for keeping: a data key of its own for each, wrapped by the key-encryption key.
///
/// A sealed secret is bound to its name: put under another one it is refused. Calls may come from any thread.
/// *Shape:* see `Envelope`. *Source:* `crypto_aead_xchacha20poly1305_ietf` of libsodium, with random nonces.
public struct Vault: Sendable {
    private let kek: KeyEncryptionKey

    /// A vault that `key` locks.
    public init(key: KeyEncryptionKey) {
        kek = key
    }

    /// Whether bytes begin as a sealed secret does.
    public static func isSealed(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.starts(with: Envelope.magic)
    }

    /// The ``KeyEncryptionKey/id`` of the key that opens a sealed secret.
    ///
    /// *Throws:* ``SecretsError`` `format` and `malformed` where it is none of ours.
    public static func keyID(of sealed: [UInt8], name: String) throws(SecretsError) -> [UInt8] {
        try Envelope.keyID(of: sealed, name: name)
    }

    /// Seals one secret under a name.
    public func seal(_ secret: some SecretMaterial, name: String) throws(SecretsError) -> [UInt8] {
        try seal(secret, name: name, random: SecretBytes(random: Self.randomCount))
    }

    /// What one sealing draws: data key 32, nonce of the wrapping 24, nonce of the sealing 24 bytes.
    package static let randomCount = Envelope.randomCount

    /// Seals with given randomness, for a test's golden bytes; used twice it would break the sealing.
    package func seal(
        _ secret: some SecretMaterial, name: String, random: some SecretMaterial
    ) throws(SecretsError) -> [UInt8] {
        guard random.count == Self.randomCount else {
            throw SecretsError(
                .length, "seal secret", name, "\(random.count) bytes of randomness",
                hint: "it takes \(Self.randomCount)")
        }
        var sealed: [UInt8] = []
        random.withBytes { random in
            secret.withBytes { secret in
                sealed = Envelope.seal(secret, name: name, kek: kek, random: random)
            }
        }
        return sealed
    }

    /// Opens what was sealed under this name.
    ///
    /// *Throws:* ``SecretsError`` `otherKey` where another key-encryption key sealed it, `tampered` where a bit differs
    /// or the name does, `format` and `malformed` where it is none of ours.
    public func open(_ sealed: [UInt8], name: String) throws(SecretsError) -> SecretBytes {
        try openMany([(sealed, name)], width: Envelope.secretCount(of: sealed, name: name))
    }

    /// Seals many secrets of `width` bytes each, which lie one after the other in `secrets`; one name for each.
    ///
    /// Each still gets a data key of its own, so that every one can be opened, rewrapped and thrown away alone: the
    /// two encryptions of some 50 bytes cost less than writing the result down does.
    public func sealMany(
        _ secrets: SecretBytes, width: Int, names: [String]
    ) throws(SecretsError) -> [[UInt8]] {
        guard width > 0, secrets.count == width * names.count else {
            throw SecretsError(
                .length, "seal secrets", "",
                "\(names.count) names for \(secrets.count) bytes in secrets of \(width)",
                hint: "give one name for each secret")
        }
        var sealed: [[UInt8]] = []
        sealed.reserveCapacity(names.count)
        // Randomness is drawn in portions: one system call for many, and little locked memory.
        let portion = 1000
        for start in stride(from: 0, to: names.count, by: portion) {
            let end = min(start + portion, names.count)
            let pool = try SecretBytes(random: (end - start) * Self.randomCount)
            pool.withBytes { pool in
                secrets.withBytes { secrets in
                    for index in start..<end {
                        let random = pool[
                            (index - start) * Self.randomCount..<(index - start + 1)
                                * Self.randomCount]
                        sealed.append(
                            Envelope.seal(
                                UnsafeRawBufferPointer(
                                    rebasing: secrets[index * width..<(index + 1) * width]),
                                name: names[index], kek: kek,
                                random: UnsafeRawBufferPointer(rebasing: random)))
                    }
                }
            }
        }
        return sealed
    }

    /// Opens many secrets of `width` bytes each into one piece of memory, in their order.
    ///
    /// *Throws:* as ``open(_:name:)``, for the first that cannot be opened.
    public func openMany(
        _ sealed: [(blob: [UInt8], name: String)], width: Int
    ) throws(SecretsError) -> SecretBytes {
        let (total, overflow) = width.multipliedReportingOverflow(by: sealed.count)
        guard width >= 0, !overflow else {
            throw SecretsError(
                .length, "open secrets", "", "of \(width) bytes", hint: "give their length")
        }
        return try SecretBytes(count: total) { (memory) throws(SecretsError) in
            try Scratch.lend(Envelope.dataKeyCount) { (dataKey) throws(SecretsError) in
                for (index, item) in sealed.enumerated() {
                    guard try Envelope.secretCount(of: item.blob, name: item.name) == width else {
                        throw Envelope.tampered(item.name)
                    }
                    let place = memory[index * width..<(index + 1) * width]
                    try Envelope.open(
                        item.blob, name: item.name, kek: kek, dataKey: dataKey,
                        into: UnsafeMutableRawBufferPointer(rebasing: place))
                }
            }
        }
    }

    /// Wraps a sealed secret's data key anew: the result opens with `newKey` only. The secret itself stays closed.
    public func rewrap(
        _ sealed: [UInt8], name: String, to newKey: KeyEncryptionKey
    ) throws(SecretsError) -> [UInt8] {
        try rewrapMany([(sealed, name)], to: newKey)[0]
    }

    /// As ``rewrap(_:name:to:)`` for many, which all or none are.
    public func rewrapMany(
        _ sealed: [(blob: [UInt8], name: String)], to newKey: KeyEncryptionKey
    ) throws(SecretsError) -> [[UInt8]] {
        var results: [[UInt8]] = []
        results.reserveCapacity(sealed.count)
        try Scratch.lend(Envelope.dataKeyCount) { (dataKey) throws(SecretsError) in
            for item in sealed {
                var nonce = [UInt8](repeating: 0, count: Envelope.nonceCount)
                randombytes_buf(&nonce, nonce.count)
                results.append(
                    try Envelope.rewrap(
                        item.blob, name: item.name, from: kek, to: newKey, nonce: nonce,
                        scratch: dataKey))
            }
        }
        return results
    }
}

/// Locked memory for the time of a call.
enum Scratch {
    static func lend(
        _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(SecretsError) -> Void
    ) throws(SecretsError) {
        // The memory is filled, and then wiped with the object that nobody keeps.
        _ = try SecretBytes(count: count, body)
    }
}
