import MeshModel
import NodeProtocol
import Secrets
import StateStore

/// What a backup holds, before it is sealed.
///
/// *Shape:* numbers are big-endian:
///
///     bytes   what
///     4       length of the description
///     n       the description, JSON
///     32      the key-encryption key of the state
///     4       how many entries follow
///     each:   2 length of the key, n the key, 4 length of the value, n the value
struct BackupContent {
    /// What is said of the state.
    struct About: Codable, Equatable {
        var mesh: String
        var meshID: String
        /// *Units:* seconds since 1970.
        var madeAt: Double
        var program: String
    }

    let about: About
    let kek: SecretBytes
    /// Keys in their order, and their values.
    let entries: [(key: String, value: [UInt8])]

    static let kekCount = 32

    /// The bytes to seal.
    func encoded() throws -> SecretBytes {
        let about = try Wire.encode(about)
        let total = entries.reduce(4 + about.count + Self.kekCount + 4) {
            $0 + 6 + $1.key.utf8.count + $1.value.count
        }
        guard total <= Self.most, entries.allSatisfy({ $0.key.utf8.count <= 0xffff }) else {
            throw ControllerError(
                .state, "the state has \(total >> 20) MiB, and a backup takes \(Self.most >> 20)",
                hint: "copy the state's folder and its key file instead, to two different places")
        }
        var writer = Writer(capacity: total)
        writer.number(about.count, width: 4)
        writer.bytes += about
        // The only secret in clear among it: the array is wiped as it is taken over, and was never moved.
        kek.withBytes { writer.bytes += $0 }
        writer.number(entries.count, width: 4)
        for entry in entries {
            writer.number(entry.key.utf8.count, width: 2)
            writer.bytes += entry.key.utf8
            writer.number(entry.value.count, width: 4)
            writer.bytes += entry.value
        }
        return try SecretBytes(wiping: &writer.bytes)
    }

    /// Takes opened bytes apart.
    ///
    /// *Throws:* ``ControllerError`` `state` for anything that is not exactly this shape: the seal was right, so a
    /// program made it that is not ours.
    init(_ bytes: SecretBytes) throws {
        self = try bytes.withBytes { (raw: UnsafeRawBufferPointer) throws -> BackupContent in
            var reader = Reader(raw)
            let about = try Wire.decode(About.self, from: Array(reader.take(reader.number(4))))
            let kek = try reader.take(Self.kekCount)
            var copy = Array(kek)
            let key = try SecretBytes(wiping: &copy)
            let count = try reader.number(4)
            var entries: [(key: String, value: [UInt8])] = []
            for _ in 0..<count {
                let name = try reader.take(reader.number(2))
                guard let key = String(validating: name, as: UTF8.self) else {
                    throw Self.malformed
                }
                entries.append((key, Array(try reader.take(reader.number(4)))))
            }
            guard reader.isAtEnd else { throw Self.malformed }
            return BackupContent(about: about, kek: key, entries: entries)
        }
    }

    init(about: About, kek: SecretBytes, entries: [(key: String, value: [UInt8])]) {
        self.about = about
        self.kek = kek
        self.entries = entries
    }

    // All of it is in memory at once, a few times over.
    private static let most = 256 << 20

    fileprivate static var malformed: ControllerError {
        ControllerError(
            .state, "the backup opens, but what is in it is not a state",
            hint: "use the meshproof that made it, or another backup")
    }

    private struct Writer {
        var bytes: [UInt8] = []

        init(capacity: Int) { bytes.reserveCapacity(capacity) }

        mutating func number(_ value: Int, width: Int) {
            for byte in (0..<width).reversed() {
                bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte)))
            }
        }
    }

    private struct Reader {
        private var rest: UnsafeRawBufferPointer.SubSequence

        init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

        var isAtEnd: Bool { rest.isEmpty }

        mutating func number(_ width: Int) throws -> Int {
            try take(width).reduce(0) { $0 << 8 | Int($1) }
        }

        mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer.SubSequence {
            guard count <= rest.count else { throw BackupContent.malformed }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
    }
}
