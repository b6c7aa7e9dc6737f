import CSodium
public import MeshModel

/// An Ed25519 key that signs. *Source:* RFC 8032, without a pre-hash.
public final class SigningKey: Sendable {
    /// The other half, which verifies.
    public let publicKey: PublicKey
    /// The 32 bytes that the key is made of again by ``init(seed:)``.
    public let seed: SecretBytes
    // libsodium's form: seed and public key, 64 bytes.
    private let expanded: SecretBytes

    /// A new random key.
    public convenience init() throws(SecretsError) {
        try self.init(seed: SecretBytes(random: 32))
    }

    /// The key of a seed.
    ///
    /// *Throws:* ``SecretsError`` `length` where the seed is not of 32 bytes.
    public init(seed: SecretBytes) throws(SecretsError) {
        var bytes = [UInt8](repeating: 0, count: 32)
        let expanded = try SecretBytes(count: 64) { memory throws(SecretsError) in
            guard seed.count == 32 else {
                throw SecretsError(
                    .length, "make signing key", "", "a seed of \(seed.count) bytes",
                    hint: "a seed has 32 bytes; restore it from a backup")
            }
            _ = seed.withBytes { seed in
                crypto_sign_seed_keypair(&bytes, memory.bytePointer, seed.bytePointer)
            }
        }
        guard let publicKey = PublicKey(bytes: bytes) else {
            throw SecretsError(
                .library, "make signing key", "", "no public key", hint: "reinstall libsodium")
        }
        self.publicKey = publicKey
        self.seed = seed
        self.expanded = expanded
    }

    /// The 64 bytes of signature over `message`. The same message always gets the same.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: 64)
        _ = expanded.withBytes { key in
            crypto_sign_detached(&signature, nil, message, UInt64(message.count), key.bytePointer)
        }
        return signature
    }
}
