/// What one agent asks another's mailbox: whether something newer waits for it.
///
/// Who asks is known by the overlay address that it comes from, and is not in here.
///
/// *Shape:* 32 bytes, numbers big-endian:
///
///     offset  bytes   what
///     0       8       "mpmail", format 1 in two bytes
///     8       8       the highest revision that the asking node ever took
///     16      8       the revision in force there
///     24      1       1 where a change waits for its confirmation, else 0
///     25      7       0
public struct MailCall: Sendable, Equatable {
    /// The highest revision that the asking node ever took: what is not newer is of no use to it.
    public var highest: UInt64
    /// The revision in force there.
    public var inForce: UInt64
    /// Whether a change waits there for its confirmation, so that ``inForce`` is about to change.
    public var isSettling: Bool

    /// Gathers the parts.
    public init(highest: UInt64, inForce: UInt64, isSettling: Bool) {
        self.highest = highest
        self.inForce = inForce
        self.isSettling = isSettling
    }

    /// *Units:* bytes.
    public static let count = 32
    static let magic = Array("mpmail".utf8) + [0, 1]

    /// The bytes to send.
    public var encoded: [UInt8] {
        Self.magic + Self.bytes(highest) + Self.bytes(inForce)
            + [isSettling ? 1 : 0] + [UInt8](repeating: 0, count: 7)
    }

    /// Reads what came; nil for anything that is not exactly this shape.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.count, bytes.starts(with: Self.magic), bytes[24] <= 1,
            bytes[25...].allSatisfy({ $0 == 0 })
        else { return nil }
        highest = bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
        inForce = bytes[16..<24].reduce(0) { $0 << 8 | UInt64($1) }
        isSettling = bytes[24] == 1
    }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}

/// The head of a mailbox's answer; the mail itself follows.
///
/// *Shape:* 12 bytes: "mpmail", format 1 in two bytes, and the length of what follows in four, big-endian; 0 where
/// nothing newer is there.
public enum MailAnswer {
    /// *Units:* bytes.
    public static let headCount = 12

    /// The head before a mail of `count` bytes.
    public static func head(_ count: Int) -> [UInt8] {
        MailCall.magic + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    }

    /// How many bytes follow a head; nil for what is no head, or announces more than ``MailContent/limit``.
    public static func length(_ head: [UInt8]) -> Int? {
        guard head.count == headCount, head.starts(with: MailCall.magic) else { return nil }
        let length = head[8...].reduce(0) { $0 << 8 | Int($1) }
        return length <= MailContent.limit ? length : nil
    }
}
