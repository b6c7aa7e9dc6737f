import MeshModel

/// Bytes off the wire that belong to somebody else. Whatever a header says, no read goes past their end.
package struct PacketBytes {
    /// All of them.
    package let raw: UnsafeRawBufferPointer

    /// Looks at `raw`, which must outlive this.
    package init(_ raw: UnsafeRawBufferPointer) { self.raw = raw }

    /// How many there are.
    package var count: Int { raw.count }

    /// The byte at an offset, or nil past the end.
    @inline(__always)
    func byte(_ offset: Int) -> UInt8? {
        offset >= 0 && offset < raw.count ? raw[offset] : nil
    }

    /// A number in network order at an offset, or nil where not all of it is there.
    @inline(__always)
    func number<Value: FixedWidthInteger>(_ offset: Int, _: Value.Type = Value.self) -> Value? {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset <= raw.count - size else { return nil }
        return Value(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// The six bytes of a hardware address.
    @inline(__always)
    func hardware(_ offset: Int) -> HardwareAddress? {
        guard let high: UInt16 = number(offset), let low: UInt32 = number(offset + 2) else {
            return nil
        }
        return HardwareAddress(UInt64(high) << 32 | UInt64(low))
    }

    /// The 4 or 16 bytes of an address.
    @inline(__always)
    func address(_ offset: Int, _ family: IPAddress.Family) -> IPAddress? {
        if family == .ipv4 {
            guard let bits: UInt32 = number(offset) else { return nil }
            return IPAddress(ipv4: bits)
        }
        guard let high: UInt64 = number(offset), let low: UInt64 = number(offset + 8) else {
            return nil
        }
        return IPAddress(family: .ipv6, high: high, low: low)
    }

    /// Whether the bytes at an offset are these.
    func has(_ wanted: StaticString, at offset: Int) -> Bool {
        has(
            UnsafeRawBufferPointer(start: wanted.utf8Start, count: wanted.utf8CodeUnitCount), offset
        )
    }

    /// Whether the bytes at an offset are these.
    func has(_ wanted: UnsafeRawBufferPointer, _ offset: Int) -> Bool {
        guard offset >= 0, offset <= raw.count - wanted.count else { return false }
        for index in 0..<wanted.count where raw[offset + index] != wanted[index] { return false }
        return true
    }

    /// As much of a range as is there.
    @inline(__always)
    func part(_ range: Range<Int>) -> PacketBytes {
        let lower = min(max(range.lowerBound, 0), raw.count)
        let upper = min(max(range.upperBound, lower), raw.count)
        return PacketBytes(UnsafeRawBufferPointer(rebasing: raw[lower..<upper]))
    }
}
