/// Cuts a byte stream into frames: four bytes of big-endian length, then so many bytes of JSON.
///
/// *Shape:* a length of 0 or above ``limit`` ends the conversation; nothing is allocated on its word alone.
public struct FrameReader: Sendable {
    /// The largest frame. *Units:* bytes. A node document of 10,000 peers is about 4 MiB.
    public static let limit = 32 << 20

    private let bound: Int
    private var buffer: [UInt8] = []
    // How much of the buffer has been handed out: cutting each frame off its front would move all the rest each time.
    private var start = 0

    /// An empty reader.
    ///
    /// - Parameter bound: the largest frame that it takes, where that is less than ``limit``.
    public init(bound: Int = FrameReader.limit) { self.bound = min(bound, Self.limit) }

    /// Takes in what the stream brought.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        // At most as much is moved as was handed out since, so every byte moves about once.
        if start > buffer.count / 2 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// Whether part of a frame is waiting for the rest.
    public var isMidFrame: Bool { start < buffer.count }

    /// The next whole frame, or nil where more bytes are needed.
    ///
    /// *Throws:* ``ProtocolError`` `frameSize` for an empty or oversized frame.
    public mutating func next() throws(ProtocolError) -> [UInt8]? {
        let available = buffer.count - start
        guard available >= 4 else { return nil }
        let length = buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard (1...bound).contains(length) else {
            throw ProtocolError(
                .frameSize, "a frame of \(length) bytes; 1 to \(bound) are allowed")
        }
        guard available >= 4 + length else { return nil }
        let frame = Array(buffer[start + 4..<start + 4 + length])
        start += 4 + length
        if start == buffer.count {
            // A large frame's room is not kept for the small ones that follow.
            buffer = []
            start = 0
        }
        return frame
    }

    /// A frame around `payload`.
    public static func frame(_ payload: [UInt8]) throws(ProtocolError) -> [UInt8] {
        guard (1...limit).contains(payload.count) else {
            throw ProtocolError(
                .frameSize, "a message of \(payload.count) bytes; \(limit) are allowed")
        }
        let length = UInt32(payload.count)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) } + payload
    }
}
