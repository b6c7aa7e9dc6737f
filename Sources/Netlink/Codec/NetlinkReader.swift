public import MeshModel

/// Walks over netlink attributes: `while reader.next()`, look at ``type``, take the value; one check at the end.
///
/// Bytes from outside are never trusted: a length below four or past the end, or a value of the wrong size, ends the
/// walk and is kept as ``failure``. Unknown attributes are skipped by not asking for them.
///
/// The reader is valid only as long as the memory it was given; it must not leave the closure that lent it.
///
/// *Source:* `linux/netlink.h`, struct nlattr: u16 length (header included), u16 type, value, padding to four.
public struct NetlinkReader {
    private let bytes: UnsafeRawBufferPointer
    private var nextOffset: Int
    private var valueOffset = 0
    private var valueCount = 0
    /// The present attribute's type, without its flag bits.
    public private(set) var type: UInt16 = 0
    /// What was wrong with the bytes, if anything.
    public private(set) var failure: String?

    /// Reads attributes that begin `offset` bytes into `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer, from offset: Int = 0) {
        self.bytes = bytes
        nextOffset = max(offset, 0)
        if nextOffset > bytes.count { failure = "a message too short for its header" }
    }

    /// Goes to the next attribute; false at the end, or where the bytes make no sense.
    public mutating func next() -> Bool {
        guard failure == nil else { return false }
        let left = bytes.count - nextOffset
        if left <= 0 { return false }
        guard left >= 4 else { return fail("\(left) bytes left over after the last attribute") }
        let length = Int(bytes.loadUnaligned(fromByteOffset: nextOffset, as: UInt16.self))
        guard length >= 4 else { return fail("an attribute of \(length) bytes") }
        guard length <= left else {
            return fail("an attribute of \(length) bytes where \(left) are left")
        }
        // NLA_F_NESTED and NLA_F_NET_BYTEORDER are the two upper bits.
        type = bytes.loadUnaligned(fromByteOffset: nextOffset + 2, as: UInt16.self) & 0x3fff
        valueOffset = nextOffset + 4
        valueCount = length - 4
        // The last attribute's padding may be missing.
        nextOffset = min(nextOffset + (length + 3) & ~3, bytes.count)
        return true
    }

    /// Throws where anything was wrong.
    public func check(_ operation: String, _ subject: String = "") throws(NetlinkError) {
        if let failure { throw .malformed(operation, subject, failure) }
    }

    // MARK: The present attribute's value

    /// The value's bytes; they must not leave the closure that lent the reader's.
    public var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[valueOffset..<(valueOffset + valueCount)])
    }

    /// The value as one byte.
    public mutating func uint8() -> UInt8 { sized(1) ? bytes[valueOffset] : 0 }

    /// The value as two bytes in host order.
    public mutating func uint16() -> UInt16 {
        sized(2) ? bytes.loadUnaligned(fromByteOffset: valueOffset, as: UInt16.self) : 0
    }

    /// The value as four bytes in host order.
    public mutating func uint32() -> UInt32 {
        sized(4) ? bytes.loadUnaligned(fromByteOffset: valueOffset, as: UInt32.self) : 0
    }

    /// The value as four bytes in host order, signed.
    public mutating func int32() -> Int32 { Int32(bitPattern: uint32()) }

    /// The value as eight bytes in host order.
    public mutating func uint64() -> UInt64 {
        sized(8) ? bytes.loadUnaligned(fromByteOffset: valueOffset, as: UInt64.self) : 0
    }

    /// The value as text up to its zero byte; what is no UTF-8 is replaced.
    public mutating func string() -> String {
        String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The value as an address of 4 or 16 bytes in network order.
    public mutating func address() -> IPAddress? {
        guard let address = NetlinkReader.address(value) else {
            _ = fail("an address of \(valueCount) bytes")
            return nil
        }
        return address
    }

    /// The value as a key of 32 bytes.
    public mutating func key() -> PublicKey? {
        guard let key = PublicKey(loading: value) else {
            _ = fail("a key of \(valueCount) bytes")
            return nil
        }
        return key
    }

    /// Reads the attributes inside the present one; what is wrong with them is wrong with the whole.
    public mutating func nested(_ body: (inout NetlinkReader) -> Void) {
        var inner = NetlinkReader(value)
        body(&inner)
        if failure == nil { failure = inner.failure }
    }

    /// Ends the walk: the bytes are not what they should be.
    @discardableResult
    public mutating func fail(_ reason: String) -> Bool {
        if failure == nil { failure = "\(reason) (attribute \(type))" }
        return false
    }

    /// An address of 4 or 16 bytes in network order, else nil.
    package static func address(_ bytes: UnsafeRawBufferPointer) -> IPAddress? {
        switch bytes.count {
        case 4:
            return IPAddress(
                ipv4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)))
        case 16:
            return IPAddress(
                family: .ipv6,
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default:
            return nil
        }
    }

    private mutating func sized(_ size: Int) -> Bool {
        valueCount == size ? true : fail("a value of \(valueCount) bytes where \(size) were due")
    }
}
