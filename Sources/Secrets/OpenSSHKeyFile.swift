import CSodium

/// An Ed25519 private key in OpenSSH's own file format, unencrypted, as a key that signs.
///
/// *Source:* OpenSSH's PROTOCOL.key: `openssh-key-v1\0`, cipher, KDF, KDF options, count, public key, private part; the
/// private part is two equal check numbers, `ssh-ed25519`, 32 bytes, then 64 bytes of seed and public key.
public enum OpenSSHKeyFile {
    private static let begin = Array("-----BEGIN OPENSSH PRIVATE KEY-----".utf8)
    private static let end = Array("-----END OPENSSH PRIVATE KEY-----".utf8)
    /// A file of one Ed25519 key has about 400 bytes, and a comment.
    private static let limit = 4_096

    /// The key in a file, or nil where there is no such file.
    ///
    /// *Throws:* ``SecretsError`` `unsafeFile` where others can read it, `malformed` where it holds anything else.
    public static func signingKey(_ path: String) throws(SecretsError) -> SigningKey? {
        try SecretFiles.lend(path, atMost: limit) { (text) throws(SecretsError) -> SigningKey in
            let body = try blob(text, path)
            return try body.withBytes { (bytes) throws(SecretsError) -> SigningKey in
                guard let start = seedOffset(bytes) else { throw malformed(path) }
                let seed = try SecretBytes(count: 32) { memory in
                    memory.copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + 32]))
                }
                return try SigningKey(seed: seed)
            }
        }
    }

    /// What the armour holds; zeros follow it.
    private static func blob(
        _ text: UnsafeRawBufferPointer, _ path: String
    ) throws(SecretsError) -> SecretBytes {
        guard text.starts(with: begin),
            let last = text.indices.dropFirst(begin.count).first(where: {
                text[$0] == UInt8(ascii: "-")
            }), text[last...].starts(with: end)
        else { throw malformed(path) }
        let inner = UnsafeRawBufferPointer(rebasing: text[begin.count..<last])
        var isWhole = false
        let blob = try SecretBytes(count: limit) { memory in
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            var found = 0
            isWhole =
                sodium_base642bin(
                    memory.bytePointer, memory.count, inner.charPointer, inner.count, "\r\n",
                    &found, nil, SecretText.variant) == 0
        }
        guard isWhole else { throw malformed(path) }
        return blob
    }

    /// Where the seed begins, or nil where it is no such key.
    private static func seedOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var reader = SSHStringReader(bytes)
        guard reader.skip("openssh-key-v1\0"), reader.skipString("none"),
            reader.skipString("none"), reader.skipString(""), reader.number() == 1,
            reader.string() != nil, reader.number() != nil,
            let check = reader.number(), reader.number() == check,
            reader.skipString("ssh-ed25519"), let publicKey = reader.string(),
            publicKey.count == 32, let secret = reader.string(), secret.count == 64
        else { return nil }
        return secret.lowerBound
    }

    private static func malformed(_ path: String) -> SecretsError {
        SecretsError(
            .malformed, "read SSH key", path, "holds no plain Ed25519 key in OpenSSH's format",
            hint: "run `meshproof up`, which has the node make one")
    }
}

/// Reads SSH's big-endian numbers and counted strings without copying them. *Source:* RFC 4251 section 5.
private struct SSHStringReader {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - place >= count else { return false }
        let isSame = text.withUTF8Buffer { bytes[place..<place + count].elementsEqual($0) }
        place += count
        return isSame
    }

    mutating func number() -> UInt32? {
        guard bytes.count - place >= 4 else { return nil }
        defer { place += 4 }
        return bytes[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func string() -> Range<Int>? {
        guard let count = number(), bytes.count - place >= Int(count) else { return nil }
        defer { place += Int(count) }
        return place..<place + Int(count)
    }

    mutating func skipString(_ text: StaticString) -> Bool {
        guard let range = string() else { return false }
        return text.withUTF8Buffer { bytes[range].elementsEqual($0) }
    }
}
