import CSodium
public import MeshModel

/// Seals what one node alone may read, without knowing anything secret of it.
///
/// *Shape:* libsodium's sealed box: an X25519 public key made for this one message, then XSalsa20-Poly1305; 48 bytes
/// more than what is in it. It does not say who sealed it: that is for a signature inside to say.
/// *Source:* `crypto_box_seal`, `crypto_box_seal_open`.
public enum MailSeal {
    /// How much longer it is than what is in it. *Units:* bytes.
    public static var overhead: Int { Int(crypto_box_sealbytes()) }

    /// Seals `content` for the owner of `key`.
    public static func seal(
        _ content: some SecretMaterial, to key: PublicKey
    ) throws(SecretsError) -> [UInt8] {
        try Sodium.require("seal mail")
        var sealed = [UInt8](repeating: 0, count: content.count + overhead)
        var status: Int32 = -1
        let recipient = key.bytes
        content.withBytes { bytes in
            status = crypto_box_seal(&sealed, bytes.bytePointer, UInt64(bytes.count), recipient)
        }
        // It refuses a key of low order, with which everybody could read it.
        guard status == 0 else {
            throw SecretsError(
                .malformed, "seal mail", "", "the node's mail key is no key to seal for",
                hint: "run meshproof up, which learns a node's keys")
        }
        return sealed
    }

    /// Opens what was sealed for `privateKey`; nil where it was not, or was changed.
    public static func open(
        _ sealed: [UInt8], with privateKey: some SecretMaterial
    ) throws(SecretsError) -> SecretBytes? {
        guard sealed.count >= overhead else { return nil }
        let own = try WireGuardKeys.publicKey(of: privateKey).bytes
        var status: Int32 = -1
        let content = try SecretBytes(count: sealed.count - overhead) { memory in
            privateKey.withBytes { key in
                status = crypto_box_seal_open(
                    memory.bytePointer, sealed, UInt64(sealed.count), own, key.bytePointer)
            }
        }
        return status == 0 ? content : nil
    }
}
