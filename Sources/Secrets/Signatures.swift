import CSodium
public import MeshModel

/// Verifies Ed25519 signatures. *Source:* RFC 8032; small-order keys and malleable signatures are refused.
public enum Signatures {
    /// Whether `signature` is `key`'s over exactly `message`.
    public static func verify(_ signature: [UInt8], of message: [UInt8], by key: PublicKey) -> Bool
    {
        guard signature.count == 64 else { return false }
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), key.bytes)
            == 0
    }
}
