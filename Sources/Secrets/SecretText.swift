import CSodium
public import MeshModel

/// Secrets as base64, coded without branches or look-ups that depend on them.
///
/// The text is an ordinary string and is not wiped: only for the encrypted conversation with a node.
public enum SecretText {
    /// The base64 of a secret.
    public static func encode(_ secret: some SecretMaterial) -> String {
        let capacity = encodedCount(secret.count)
        return String(unsafeUninitializedCapacity: capacity + 1) { text in
            let raw = UnsafeMutableRawBufferPointer(text)
            secret.withBytes { bytes in
                _ = sodium_bin2base64(
                    raw.charPointer, raw.count, bytes.bytePointer, bytes.count, variant)
            }
            return capacity
        }
    }

    /// The secret of exactly `count` bytes that `text` stands for, or nil where it does not.
    public static func decode(_ text: String, count: Int) throws(SecretsError) -> SecretBytes? {
        var text = text
        let outcome = text.withUTF8 { text in
            Swift.Result { () throws(SecretsError) -> SecretBytes? in
                try decode(UnsafeRawBufferPointer(text), count: count, ignoring: nil)
            }
        }
        return try outcome.get()
    }

    static let variant = sodium_base64_VARIANT_ORIGINAL

    /// The length of the base64 of `count` bytes, padding included.
    static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    static func decode(
        _ text: UnsafeRawBufferPointer, count: Int, ignoring: String?
    ) throws(SecretsError) -> SecretBytes? {
        guard count >= 0, text.count <= encodedCount(count) + 2 else { return nil }
        var status: Int32 = -1
        var found = 0
        let secret = try SecretBytes(count: count) { memory in
            status = sodium_base642bin(
                memory.bytePointer, memory.count, text.charPointer, text.count, ignoring, &found,
                nil,
                variant)
        }
        return status == 0 && found == count ? secret : nil
    }
}
