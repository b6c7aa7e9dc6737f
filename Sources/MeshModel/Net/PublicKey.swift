/// 32 public bytes: a WireGuard (Curve25519) or a signing (Ed25519) public key. Never a secret.
///
/// *Shape:* text is the 44 characters of base64 that `wg` prints.
public struct PublicKey: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// All bytes zero: "no key yet". WireGuard itself takes it for none.
    public static let zero = PublicKey(words: (0, 0, 0, 0))

    private init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    /// A key from exactly 32 bytes, else nil.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() {
            words[index / 8] = words[index / 8] << 8 | UInt64(byte)
        }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// A key from exactly 32 bytes of memory, else nil; makes nothing on the heap.
    public init?(loading bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Writes the 32 bytes to the start of `target`, which holds at least that many.
    public func store(to target: UnsafeMutableRawBufferPointer) {
        target.storeBytes(of: words.0.bigEndian, toByteOffset: 0, as: UInt64.self)
        target.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
        target.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
        target.storeBytes(of: words.3.bigEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
    }

    /// The first eight characters, for people.
    public var short: String { String(description.prefix(8)) }

    /// Equality of all bytes.
    public static func == (left: PublicKey, right: PublicKey) -> Bool {
        left.words == right.words
    }

    /// Hashes the first eight bytes: keys are random, and to find two that begin alike takes 2³² of them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
    }
}

extension PublicKey: Comparable, LosslessStringConvertible, Codable {
    /// By bytes.
    public static func < (left: PublicKey, right: PublicKey) -> Bool { left.words < right.words }

    /// Base64, 44 characters.
    public var description: String { Base64.encode(bytes) }

    /// Parses 44 characters of base64; nil otherwise.
    public init?(_ text: String) {
        guard text.utf8.count == 44, let bytes = Base64.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// Decodes from text.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder)
    }

    /// Encodes as text.
    public func encode(to encoder: any Encoder) throws {
        try encodeText(self, encoder)
    }
}
