import CSodium
public import MeshModel

/// WireGuard's preshared keys, and names for them that tell nothing.
public enum PresharedKeys {
    /// The length of a key. *Units:* bytes.
    public static let width = 32

    /// A new key: 256 random bits, as `wg genpsk` makes.
    public static func generate() throws(SecretsError) -> SecretBytes {
        try SecretBytes(random: width)
    }

    /// Many new keys in one piece of memory; look at each through ``SecretSlice`` with ``width``.
    public static func generate(count: Int) throws(SecretsError) -> SecretBytes {
        try SecretBytes(random: width * max(0, count))
    }

    /// The name of a key.
    ///
    /// *Shape:* BLAKE2b with 16 bytes of output, keyed with the text `meshproof psk id v1`, over the key's bytes.
    public static func identify(_ key: UnsafeRawBufferPointer) -> PresharedKeyID {
        let context = Array("meshproof psk id v1".utf8)
        var digest = [UInt8](repeating: 0, count: 16)
        // It can refuse only lengths, and these are fixed.
        crypto_generichash(
            &digest, digest.count, key.bytePointer, UInt64(key.count), context, context.count)
        return PresharedKeyID(rawValue: Base64.hex(digest))
    }

    /// The name of a key.
    public static func identify(_ key: some SecretMaterial) -> PresharedKeyID {
        var name = PresharedKeyID.unmade
        key.withBytes { name = identify($0) }
        return name
    }
}
