public import MeshModel

/// A controller's public key as text, the way people and other tools hand it on.
public enum ReceiptKey {
    /// The fixed beginning of an Ed25519 key in DER. *Source:* RFC 8410 section 4, SubjectPublicKeyInfo.
    private static let prefix: [UInt8] = [
        0x30, 0x2a,  // SEQUENCE of 42 bytes
        0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,  // algorithm 1.3.101.112, Ed25519
        0x03, 0x21, 0x00,  // BIT STRING of 33 bytes, no unused bits
    ]
    private static let first = "-----BEGIN PUBLIC KEY-----"
    private static let last = "-----END PUBLIC KEY-----"

    /// The key in PEM, for openssl and others.
    public static func pem(_ key: PublicKey) -> String {
        "\(first)\n\(Base64.encode(prefix + key.bytes))\n\(last)\n"
    }

    /// The key that a text is: 44 characters of base64, or PEM. Nil for anything else.
    public static func parse(_ text: String) -> PublicKey? {
        let lines = text.split(whereSeparator: \.isWhitespace)
        if lines.count == 1 { return PublicKey(String(lines[0])) }
        let compact = lines.joined()
        let begin = first.filter { $0 != " " }
        let end = last.filter { $0 != " " }
        guard compact.hasPrefix(begin), compact.hasSuffix(end),
            compact.count >= begin.count + end.count,
            let bytes = Base64.decode(
                String(compact.dropFirst(begin.count).dropLast(end.count))),
            bytes.starts(with: prefix)
        else { return nil }
        return PublicKey(bytes: bytes.dropFirst(prefix.count))
    }
}
