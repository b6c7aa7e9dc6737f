import CSodium
public import MeshModel

/// The key-encryption key out of a passphrase, by Argon2id.
public enum Passphrase {
    /// How hard guessing is made.
    public struct Limits: Sendable, Equatable {
        /// Passes over the memory.
        public let operations: UInt64
        /// *Units:* bytes.
        public let memory: UInt64

        /// libsodium's MODERATE: 3 passes over 256 MiB, about a second.
        public static let moderate = Limits(operations: 3, memory: 256 << 20)
        /// libsodium's INTERACTIVE: 2 passes over 64 MiB; the least that is taken.
        public static let interactive = Limits(operations: 2, memory: 64 << 20)

        /// Sets both.
        public init(operations: UInt64, memory: UInt64) {
            self.operations = operations
            self.memory = memory
        }

        // What a hostile file could ask for is bounded by libsodium's SENSITIVE, with room to grow in passes.
        fileprivate var isBearable: Bool {
            (2...16).contains(operations) && (64 << 20...1 << 30).contains(memory)
        }
    }

    /// What must be kept, and may be read by anybody, to make the same key again.
    ///
    /// *Shape:* 53 bytes:
    ///
    ///     offset  bytes  what
    ///     0       4      "mppw"
    ///     4       1      format, 1
    ///     5       16     salt
    ///     21      8      Argon2id passes, big-endian
    ///     29      8      Argon2id memory in bytes, big-endian
    ///     37      16     KeyEncryptionKey.id of the right passphrase
    public struct Parameters: Sendable, Equatable {
        let salt: [UInt8]
        let limits: Limits
        let keyID: [UInt8]

        /// The bytes to keep.
        public var encoded: [UInt8] {
            Self.magic + [Self.format] + salt + bigEndian(limits.operations)
                + bigEndian(limits.memory)
                + keyID
        }

        /// Reads kept bytes.
        ///
        /// *Throws:* ``SecretsError`` `malformed`, `format`, and `limits` where deriving would be too weak or would
        /// exhaust the machine.
        public init(encoded: [UInt8]) throws(SecretsError) {
            guard encoded.count >= 5, Array(encoded[..<4]) == Self.magic else {
                throw Self.malformed("is no record of a passphrase")
            }
            guard encoded[4] == Self.format else {
                throw SecretsError(
                    .format, "read passphrase record", "", "has format \(encoded[4])",
                    hint: "use the newer meshproof that was here before")
            }
            guard encoded.count == Self.count else {
                throw Self.malformed("has \(encoded.count) bytes and not \(Self.count)")
            }
            self.init(
                salt: Array(encoded[5..<21]),
                limits: Limits(
                    operations: number(encoded[21..<29]), memory: number(encoded[29..<37])),
                keyID: Array(encoded[37..<53]))
            try Self.check(limits)
        }

        init(salt: [UInt8], limits: Limits, keyID: [UInt8]) {
            self.salt = salt
            self.limits = limits
            self.keyID = keyID
        }

        static func check(_ limits: Limits) throws(SecretsError) {
            if limits.isBearable { return }
            throw SecretsError(
                .limits, "derive key from passphrase", "",
                "\(limits.operations) passes over \(limits.memory) bytes are out of bounds",
                hint:
                    "allowed are 2 to 16 passes and 64 MiB to 1 GiB; restore the record from a backup"
            )
        }

        private static let magic = Array("mppw".utf8)
        private static let format: UInt8 = 1
        static let count = 53

        private static func malformed(_ what: String) -> SecretsError {
            SecretsError(
                .malformed, "read passphrase record", "", what,
                hint: "restore the state from a backup")
        }
    }

    /// A key from a new passphrase, and the record to keep with the state.
    public static func create(
        _ passphrase: some SecretMaterial, limits: Limits = .moderate
    ) throws(SecretsError) -> (key: KeyEncryptionKey, parameters: Parameters) {
        try Sodium.require("make key from passphrase")
        guard passphrase.count > 0 else {
            throw SecretsError(
                .length, "make key from passphrase", "", "the passphrase is empty",
                hint: "choose one, for instance six random words")
        }
        var salt = [UInt8](repeating: 0, count: 16)
        randombytes_buf(&salt, salt.count)
        let key = try derive(passphrase, salt, limits)
        return (key, Parameters(salt: salt, limits: limits, keyID: key.id))
    }

    /// The key again.
    ///
    /// *Throws:* ``SecretsError`` `wrongPassphrase`; `memory` where Argon2id got none.
    public static func open(
        _ passphrase: some SecretMaterial, _ parameters: Parameters
    ) throws(SecretsError) -> KeyEncryptionKey {
        let key = try derive(passphrase, parameters.salt, parameters.limits)
        guard key.id == parameters.keyID else {
            throw SecretsError(
                .wrongPassphrase, "open with passphrase", "",
                "the passphrase is not the one this state was made with",
                hint: "try again; mind the keyboard layout and capitals")
        }
        return key
    }

    private static func derive(
        _ passphrase: some SecretMaterial, _ salt: [UInt8], _ limits: Limits
    ) throws(SecretsError) -> KeyEncryptionKey {
        try Parameters.check(limits)
        var status: Int32 = -1
        let key = try SecretBytes(count: KeyEncryptionKey.width) { memory in
            passphrase.withBytes { text in
                status = crypto_pwhash(
                    memory.bytePointer, UInt64(memory.count), text.charPointer, UInt64(text.count),
                    salt,
                    limits.operations, Int(limits.memory), crypto_pwhash_ALG_ARGON2ID13)
            }
        }
        guard status == 0 else {
            throw SecretsError(
                .memory, "derive key from passphrase", "",
                "Argon2id got no \(limits.memory >> 20) MiB of memory",
                hint: "free some memory, then run the command again")
        }
        return try KeyEncryptionKey(key, origin: .passphrase)
    }
}

private func bigEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
}

private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
}
