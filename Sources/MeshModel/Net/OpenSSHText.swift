/// An Ed25519 public key as OpenSSH writes it. Only Ed25519: meshproof makes its own keys, and no others.
///
/// *Shape:* `ssh-ed25519 ` and base64 of two length-prefixed strings, the type and the 32 bytes.
/// *Source:* RFC 8709 section 4, sshd(8) "AUTHORIZED_KEYS FILE FORMAT".
extension PublicKey {
    private static let openSSHType = "ssh-ed25519"
    private static var openSSHPrefix: [UInt8] {
        [0, 0, 0, 11] + Array(openSSHType.utf8) + [0, 0, 0, 32]
    }

    /// The bytes that a fingerprint is taken of.
    public var openSSHBlob: [UInt8] { Self.openSSHPrefix + bytes }

    /// `ssh-ed25519 AAAA…`, without a comment.
    public var openSSHText: String { "\(Self.openSSHType) \(Base64.encode(openSSHBlob))" }

    /// Parses what ``openSSHText`` prints, with or without a comment; nil otherwise.
    public init?(openSSHText text: String) {
        let words = text.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == Self.openSSHType,
            let blob = Base64.decode(String(words[1]))
        else { return nil }
        self.init(openSSHBlob: blob)
    }

    /// Takes the key out of its blob; nil where it is another type's, or longer or shorter.
    public init?(openSSHBlob blob: [UInt8]) {
        guard blob.starts(with: Self.openSSHPrefix) else { return nil }
        self.init(bytes: blob.dropFirst(Self.openSSHPrefix.count))
    }
}
