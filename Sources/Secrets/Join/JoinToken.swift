import CSodium
public import MeshModel

/// A single-use token for one node's joining: an invitation, and 256 random bits that only its holder knows.
///
/// *Shape:* `mpj1-` and base64 for addresses (RFC 4648 section 5, no padding) of: the secret (32 bytes), the
/// invitation, and four bytes of BLAKE2b over both, so that a mistyped token is told at once.
public struct JoinToken: Sendable {
    /// What it says.
    public let invitation: JoinInvitation
    private let secret: SecretBytes

    /// How every token of this version begins.
    public static let prefix = "mpj1-"
    /// The length of the secret. *Units:* bytes.
    private static let width = 32
    private static let checkLength = 4
    /// A token of the longest names and hosts has 1,400 bytes.
    private static let longest = 2048

    /// A new token with a new secret.
    public init(_ invitation: JoinInvitation) throws(SecretsError) {
        self.invitation = invitation
        secret = try SecretBytes(random: Self.width)
    }

    private init(_ invitation: JoinInvitation, _ secret: SecretBytes) {
        self.invitation = invitation
        self.secret = secret
    }

    /// A new name for a token.
    public static func newID() throws(SecretsError) -> [UInt8] {
        try Sodium.require("make token")
        var id = [UInt8](repeating: 0, count: JoinInvitation.idLength)
        randombytes_buf(&id, id.count)
        return id
    }

    // MARK: Text

    /// The token as its holder gets it. It is the secret: it is shown once, and kept nowhere.
    public func text() throws(SecretsError) -> String {
        let plain = try plain()
        let variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING
        let capacity = sodium_base64_encoded_len(plain.count, variant)
        let text = String(unsafeUninitializedCapacity: capacity) { text in
            let raw = UnsafeMutableRawBufferPointer(text)
            plain.withBytes { bytes in
                _ = sodium_bin2base64(
                    raw.charPointer, raw.count, bytes.bytePointer, bytes.count, variant)
            }
            return capacity - 1
        }
        return Self.prefix + text
    }

    /// Secret, invitation, check.
    private func plain() throws(SecretsError) -> SecretBytes {
        let said = invitation.bytes
        return try SecretBytes(count: Self.width + said.count + Self.checkLength) { memory in
            secret.withBytes { memory.copyMemory(from: $0) }
            said.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: memory[Self.width...]).copyMemory(from: $0)
            }
            let end = Self.width + said.count
            let check = Self.check(UnsafeRawBufferPointer(rebasing: memory[..<end]))
            for (index, byte) in check.enumerated() { memory[end + index] = byte }
        }
    }

    private static func check(_ bytes: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
        let context = Array("meshproof token check v1".utf8)
        var digest = [UInt8](repeating: 0, count: 16)
        crypto_generichash(
            &digest, digest.count, bytes.bytePointer, UInt64(bytes.count), context, context.count)
        return digest.prefix(checkLength)
    }

    /// Reads a token as somebody typed or pasted it: white space is passed over, also in its middle.
    ///
    /// *Throws:* ``SecretsError`` `malformed` for what is no token, `format` for one of another version, `damaged` where
    /// a character is wrong or missing. No message repeats any of it.
    public static func read(_ text: String) throws(SecretsError) -> JoinToken {
        let body = try body(of: text)
        var count = 0
        var status: Int32 = -1
        let room = body.utf8.count * 3 / 4 + 3
        let plain = try SecretBytes(count: room) { memory in
            var body = body
            status = body.withUTF8 { text in
                let raw = UnsafeRawBufferPointer(text)
                return sodium_base642bin(
                    memory.bytePointer, memory.count, raw.charPointer, raw.count, " \t\r\n", &count,
                    nil, sodium_base64_VARIANT_URLSAFE_NO_PADDING)
            }
        }
        guard status == 0, count > width + checkLength else { throw mistyped() }
        return try plain.withBytes { (bytes) throws(SecretsError) -> JoinToken in
            let end = count - checkLength
            let told = UnsafeRawBufferPointer(rebasing: bytes[end..<count])
            let check = Array(check(UnsafeRawBufferPointer(rebasing: bytes[..<end])))
            let isRight = check.withUnsafeBytes {
                sodium_memcmp($0.bytePointer, told.bytePointer, checkLength) == 0
            }
            guard isRight else { throw mistyped() }
            guard let invitation = JoinInvitation(bytes: bytes[width..<end]) else {
                throw SecretsError(
                    .malformed, "read token", "", "it says what no token says",
                    hint: "run `meshproof peer invite` of the same version as this program")
            }
            let secret = try SecretBytes(count: width) {
                $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<width]))
            }
            return JoinToken(invitation, secret)
        }
    }

    private static func body(of text: String) throws(SecretsError) -> Substring {
        let text = text.drop { $0.isWhitespace }
        guard text.utf8.count <= longest, text.hasPrefix("mpj") else {
            throw SecretsError(
                .malformed, "read token", "", "this is no token",
                hint:
                    "paste the whole line that `meshproof peer invite` printed; it begins with mpj")
        }
        guard text.hasPrefix(prefix) else {
            throw SecretsError(
                .format, "read token", "", "this token is of another version of meshproof",
                hint: "use the same version of the program here and where the token was made")
        }
        return text.dropFirst(prefix.count)
    }

    private static func mistyped() -> SecretsError {
        SecretsError(
            .damaged, "read token", "", "a character of the token is wrong or missing",
            hint: "paste the whole line that `meshproof peer invite` printed")
    }

    // MARK: What is made of the secret

    /// The key of the handshake, which only holds for exactly what this token says.
    public func channelKey() throws(SecretsError) -> SecretBytes {
        try derive("meshproof join channel v1")
    }

    /// What the node shows within the channel, to be compared with ``record()``.
    public func proof() throws(SecretsError) -> SecretBytes {
        try derive("meshproof join proof v1")
    }

    /// BLAKE2b with 32 bytes of output, keyed with the secret, over a purpose and what the token says.
    private func derive(_ purpose: String) throws(SecretsError) -> SecretBytes {
        let message = Array(purpose.utf8) + [0] + invitation.bytes
        return try SecretBytes(count: 32) { memory in
            secret.withBytes { key in
                _ = crypto_generichash(
                    memory.bytePointer, memory.count, message, UInt64(message.count),
                    key.bytePointer, key.count)
            }
        }
    }

    /// What the controller keeps: a hash of the proof, from which neither proof nor secret can be had.
    public func record() throws(SecretsError) -> [UInt8] { Self.record(of: try proof()) }

    /// The hash of a proof.
    public static func record(of proof: some SecretMaterial) -> [UInt8] {
        let context = Array("meshproof join record v1".utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        proof.withBytes { bytes in
            _ = crypto_generichash(
                &digest, digest.count, bytes.bytePointer, UInt64(bytes.count), context,
                context.count)
        }
        return digest
    }
}

/// Comparisons whose time tells nothing about what is compared.
public enum ConstantTime {
    /// Whether both are the same; lengths are no secret. *Source:* sodium_memcmp.
    public static func equal(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.count == other.count && sodium_memcmp(one, other, one.count) == 0
    }

    /// The first secret or the second, without a branch on which; both have the same length.
    public static func choose(
        _ first: Bool, _ one: SecretBytes, else other: SecretBytes
    ) throws(SecretsError) -> SecretBytes {
        let mask = UInt8(truncatingIfNeeded: -(first ? 1 : 0))
        return try SecretBytes(count: min(one.count, other.count)) { memory in
            one.withBytes { one in
                other.withBytes { other in
                    for index in memory.indices {
                        memory[index] = one[index] & mask | other[index] & ~mask
                    }
                }
            }
        }
    }
}
