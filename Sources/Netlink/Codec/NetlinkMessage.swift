/// One message of a datagram: its header and the bytes that follow it.
///
/// It is valid only as long as the memory it was read from; it must not leave the closure that lent it.
public struct NetlinkMessage {
    /// The header.
    public let header: NetlinkHeader
    /// What follows the header.
    public let payload: UnsafeRawBufferPointer

    /// The message's type.
    public var type: UInt16 { header.type }

    /// The attributes that begin after a fixed header of `size` bytes.
    public func attributes(after size: Int) -> NetlinkReader { NetlinkReader(payload, from: size) }

    // Fields of the payload's fixed header: 0 past its end, which `attributes(after:)` reports.

    /// The byte at `offset` of the payload.
    public func uint8(at offset: Int) -> UInt8 { offset < payload.count ? payload[offset] : 0 }

    /// The two bytes at `offset` of the payload, in host order.
    public func uint16(at offset: Int) -> UInt16 {
        offset + 2 <= payload.count
            ? payload.loadUnaligned(fromByteOffset: offset, as: UInt16.self) : 0
    }

    /// The four bytes at `offset` of the payload, in host order.
    public func uint32(at offset: Int) -> UInt32 {
        offset + 4 <= payload.count
            ? payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self) : 0
    }

    /// The four bytes at `offset` of the payload, in host order and signed.
    public func int32(at offset: Int) -> Int32 { Int32(bitPattern: uint32(at: offset)) }
}

/// Walks over the messages of one datagram: `while let message = messages.next()`, then one check.
///
/// As with ``NetlinkReader``, a length that makes no sense ends the walk and is kept as ``failure``.
public struct NetlinkMessages {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    /// What was wrong with the bytes, if anything.
    public private(set) var failure: String?

    /// Reads the messages in `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next message; nil at the end, or where the bytes make no sense.
    public mutating func next() -> NetlinkMessage? {
        let left = bytes.count - offset
        if failure != nil || left <= 0 { return nil }
        guard left >= NetlinkHeader.size else {
            failure = "\(left) bytes left over after the last message"
            return nil
        }
        let length = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        guard length >= NetlinkHeader.size, length <= left else {
            failure = "a message of \(length) bytes where \(left) are left"
            return nil
        }
        let header = NetlinkHeader(
            length: length,
            type: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self),
            flags: bytes.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self),
            sequence: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self),
            port: bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
        let payload = bytes[(offset + NetlinkHeader.size)..<(offset + Int(length))]
        offset = min(offset + (Int(length) + 3) & ~3, bytes.count)
        return NetlinkMessage(header: header, payload: UnsafeRawBufferPointer(rebasing: payload))
    }
}
