public import MeshModel

/// Writes one netlink message into memory of a fixed size, which it wipes when it goes.
///
/// Lengths are patched in afterwards, and every part begins at a multiple of four bytes. What does not fit is not
/// written and sets ``hasOverflowed``; ``rollBack(to:)`` takes the failed part away again, so that messages are
/// packed by the bytes they really take.
///
/// *Source:* `netlink(7)`; `linux/netlink.h`, struct nlattr.
public struct NetlinkWriter: ~Copyable {
    private let buffer: WipedBuffer
    /// How many bytes are written.
    public private(set) var count = 0
    /// Whether something did not fit since the last roll-back.
    public private(set) var hasOverflowed = false
    /// How far the memory was ever written, and so has to be wiped.
    private var touched = 0

    /// An attribute holds its own length in 16 bits.
    public static let attributeLimit = 0xffff
    /// Marks an attribute that holds attributes (NLA_F_NESTED).
    public static let nestedFlag: UInt16 = 0x8000

    /// A place in the message.
    public struct Mark: Sendable {
        fileprivate let offset: Int
    }

    /// An empty message of at most `capacity` bytes.
    public init(capacity: Int = 4096) {
        buffer = WipedBuffer(count: max(capacity, NetlinkHeader.size))
    }

    // MARK: The message

    /// Throws away what was written, wiped, and begins a message.
    public mutating func start(type: UInt16, flags: UInt16) {
        buffer.wipe(first: touched)
        count = 0
        touched = 0
        hasOverflowed = false
        append(UInt32(0))
        append(type)
        append(flags)
        append(UInt64(0))
    }

    /// Fills in what is known only when the message is sent: its length and its sequence number.
    public mutating func seal(sequence: UInt32) {
        guard count >= NetlinkHeader.size else { return }
        buffer.bytes.storeBytes(of: UInt32(count), toByteOffset: 0, as: UInt32.self)
        buffer.bytes.storeBytes(of: sequence, toByteOffset: 8, as: UInt32.self)
    }

    /// The flags of the message begun.
    public var flags: UInt16 {
        count >= NetlinkHeader.size ? buffer.bytes.load(fromByteOffset: 6, as: UInt16.self) : 0
    }

    /// The bytes written, for the time of `body`.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]))
    }

    /// Where the next part will begin.
    public var mark: Mark { Mark(offset: count) }

    /// Takes away everything since `mark`, and forgets that it did not fit.
    public mutating func rollBack(to mark: Mark) {
        if mark.offset <= count { count = mark.offset }
        hasOverflowed = false
    }

    // MARK: Fields of a fixed header, in host order

    /// Appends one byte, without alignment.
    public mutating func append(_ value: UInt8) { appendRaw(value) }
    /// Appends two bytes, without alignment.
    public mutating func append(_ value: UInt16) { appendRaw(value) }
    /// Appends four bytes, without alignment.
    public mutating func append(_ value: UInt32) { appendRaw(value) }
    /// Appends four bytes, without alignment.
    public mutating func append(_ value: Int32) { appendRaw(value) }
    /// Appends eight bytes, without alignment.
    public mutating func append(_ value: UInt64) { appendRaw(value) }

    // MARK: Attributes

    /// An attribute of one byte.
    public mutating func put(_ type: UInt16, _ value: UInt8) { putRaw(type, value) }
    /// An attribute of two bytes in host order.
    public mutating func put(_ type: UInt16, _ value: UInt16) { putRaw(type, value) }
    /// An attribute of four bytes in host order.
    public mutating func put(_ type: UInt16, _ value: UInt32) { putRaw(type, value) }
    /// An attribute of four bytes in host order.
    public mutating func put(_ type: UInt16, _ value: Int32) { putRaw(type, value) }

    /// An attribute of 4 or 16 bytes in network order.
    public mutating func put(_ type: UInt16, _ address: IPAddress) {
        guard let target = attribute(type, size: address.family.bits / 8) else { return }
        NetlinkWriter.store(address, to: target)
    }

    /// An attribute of 32 bytes.
    public mutating func put(_ type: UInt16, _ key: PublicKey) {
        guard let target = attribute(type, size: 32) else { return }
        key.store(to: target)
    }

    /// An attribute of any bytes.
    public mutating func put(_ type: UInt16, _ bytes: UnsafeRawBufferPointer) {
        guard let target = attribute(type, size: bytes.count) else { return }
        target.copyMemory(from: bytes)
    }

    /// An attribute of `size` zero bytes.
    public mutating func putZeros(_ type: UInt16, size: Int) {
        guard let target = attribute(type, size: size) else { return }
        target.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// A text with the zero byte at its end that the kernel wants.
    public mutating func put(_ type: UInt16, _ text: String) {
        var text = text
        text.withUTF8 { characters in
            guard let target = attribute(type, size: characters.count + 1) else { return }
            target.copyMemory(from: UnsafeRawBufferPointer(characters))
            target[characters.count] = 0
        }
    }

    /// A flag: an attribute without a value.
    public mutating func putFlag(_ type: UInt16) { _ = attribute(type, size: 0) }

    /// The place for an attribute of `size` bytes that the caller fills, or nil where it does not fit.
    public mutating func attribute(_ type: UInt16, size: Int) -> UnsafeMutableRawBufferPointer? {
        guard size + 4 <= Self.attributeLimit, let offset = reserve((size + 4 + 3) & ~3) else {
            hasOverflowed = true
            return nil
        }
        let bytes = buffer.bytes
        // The padding: a roll-back may have left older bytes here.
        if size & 3 != 0 { bytes.storeBytes(of: 0, toByteOffset: count - 4, as: UInt32.self) }
        bytes.storeBytes(of: UInt16(size + 4), toByteOffset: offset, as: UInt16.self)
        bytes.storeBytes(of: type, toByteOffset: offset + 2, as: UInt16.self)
        return UnsafeMutableRawBufferPointer(rebasing: bytes[(offset + 4)..<(offset + 4 + size)])
    }

    /// An attribute that holds what `body` writes.
    public mutating func nested(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) {
        let mark = begin(type | Self.nestedFlag)
        body(&self)
        end(mark)
    }

    /// Opens an attribute whose length is not known yet; ``end(_:)`` closes it.
    public mutating func begin(_ type: UInt16) -> Mark {
        let mark = Mark(offset: count)
        append(UInt16(4))
        append(type)
        return mark
    }

    /// Closes the attribute opened at `mark`, and patches its length in.
    public mutating func end(_ mark: Mark) {
        let length = count - mark.offset
        if length < 4 || length > Self.attributeLimit {
            hasOverflowed = true
            return
        }
        buffer.bytes.storeBytes(of: UInt16(length), toByteOffset: mark.offset, as: UInt16.self)
    }

    /// Appends zeros up to a multiple of four bytes, where fields of odd sizes were appended.
    public mutating func align() {
        while count & 3 != 0 && !hasOverflowed { append(UInt8(0)) }
    }

    /// Writes the 4 or 16 bytes of an address in network order.
    package static func store(_ address: IPAddress, to target: UnsafeMutableRawBufferPointer) {
        if address.family == .ipv4 {
            let bits = UInt32(truncatingIfNeeded: address.low).bigEndian
            target.storeBytes(of: bits, toByteOffset: 0, as: UInt32.self)
        } else {
            target.storeBytes(of: address.high.bigEndian, toByteOffset: 0, as: UInt64.self)
            target.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }

    // MARK: Inside

    private mutating func appendRaw<Value: FixedWidthInteger>(_ value: Value) {
        guard let offset = reserve(MemoryLayout<Value>.size) else { return }
        buffer.bytes.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    private mutating func putRaw<Value: FixedWidthInteger>(_ type: UInt16, _ value: Value) {
        guard let target = attribute(type, size: MemoryLayout<Value>.size) else { return }
        target.storeBytes(of: value, toByteOffset: 0, as: Value.self)
    }

    private mutating func reserve(_ size: Int) -> Int? {
        guard !hasOverflowed, size <= buffer.bytes.count - count else {
            hasOverflowed = true
            return nil
        }
        let offset = count
        count += size
        touched = max(touched, count)
        return offset
    }
}
