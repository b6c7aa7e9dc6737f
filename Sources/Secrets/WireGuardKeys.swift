import CSodium
public import MeshModel

/// WireGuard's static key pairs. *Source:* RFC 7748, X25519; `wg genkey` and `wg pubkey`.
public enum WireGuardKeys {
    /// A new private key, clamped as `wg genkey` does.
    public static func generate() throws(SecretsError) -> SecretBytes {
        try SecretBytes(count: 32) { key in
            randombytes_buf(key.bytePointer, key.count)
            key[0] &= 0xf8
            key[31] = key[31] & 0x7f | 0x40
        }
    }

    /// The public half of a private key.
    ///
    /// *Throws:* ``SecretsError`` `length` where `privateKey` is not of 32 bytes.
    public static func publicKey(of privateKey: some SecretMaterial) throws(SecretsError)
        -> PublicKey
    {
        try Sodium.require("derive public key")
        var bytes = [UInt8](repeating: 0, count: 32)
        var status: Int32 = -1
        if privateKey.count == 32 {
            privateKey.withBytes { key in
                status = crypto_scalarmult_base(&bytes, key.bytePointer)
            }
        }
        guard status == 0, let key = PublicKey(bytes: bytes) else {
            throw SecretsError(
                .length, "derive public key", "", "a private key of \(privateKey.count) bytes",
                hint: "a WireGuard key has 32 bytes; make a new one")
        }
        return key
    }
}
