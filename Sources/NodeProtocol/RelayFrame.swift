/// What a relay and the controller say to each other over one stream about many connections.
///
/// The relay sees nothing but what passes: each end encrypts for the other.
/// *Shape:* kind (1), connection (4, big-endian), length (4, big-endian), and so many bytes.
public struct RelayFrame: Sendable, Equatable {
    /// What it is about.
    public enum Kind: UInt8, Sendable {
        /// The relay: it listens from now on. No connection.
        case ready = 1
        /// The relay: somebody has connected; the bytes are their address as text.
        case opened = 2
        /// Either: bytes of a connection.
        case data = 3
        /// Either: a connection has ended.
        case closed = 4
    }

    /// What it is about.
    public var kind: Kind
    /// Which connection; a number is not used twice.
    public var connection: UInt32
    /// What it brings.
    public var bytes: [UInt8]

    /// The most that one frame brings. *Units:* bytes.
    public static let limit = 65_536

    /// Gathers the parts.
    public init(_ kind: Kind, _ connection: UInt32 = 0, _ bytes: [UInt8] = []) {
        self.kind = kind
        self.connection = connection
        self.bytes = bytes
    }

    /// The frame as it travels.
    public var encoded: [UInt8] {
        func number(_ value: UInt32) -> [UInt8] {
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
        }
        return [kind.rawValue] + number(connection) + number(UInt32(bytes.count)) + bytes
    }
}

/// Cuts a stream into ``RelayFrame``s; nothing is allocated on a length's word alone.
public struct RelayReader: Sendable {
    private var buffer: [UInt8] = []

    /// An empty reader.
    public init() {}

    /// Takes in what the stream brought.
    public mutating func append(_ bytes: [UInt8]) { buffer += bytes }

    /// The next whole frame, or nil where more bytes are needed.
    ///
    /// *Throws:* ``ProtocolError`` `frameSize` for one that is too large, `malformed` for an unknown kind.
    public mutating func next() throws(ProtocolError) -> RelayFrame? {
        guard buffer.count >= 9 else { return nil }
        func number(_ place: Int) -> UInt32 {
            buffer[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let length = number(5)
        guard length <= RelayFrame.limit else {
            throw ProtocolError(
                .frameSize, "a relay's frame of \(length) bytes; \(RelayFrame.limit) are allowed")
        }
        guard let kind = RelayFrame.Kind(rawValue: buffer[0]) else {
            throw ProtocolError(.malformed, "a relay's frame of no known kind")
        }
        let end = 9 + Int(length)
        guard buffer.count >= end else { return nil }
        let frame = RelayFrame(kind, number(1), Array(buffer[9..<end]))
        buffer.removeFirst(end)
        return frame
    }
}
