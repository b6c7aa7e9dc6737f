/// A field of bytes, with a word on what it is: golden bytes are written as a list of these.
package func field(_ bytes: [UInt8], _ meaning: String) -> [UInt8] { bytes }

/// Bytes as two digits each, for failures that people read.
package func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

extension [UInt8] {
    /// A little-endian number at an offset.
    package func uint16(_ offset: Int) -> UInt16 {
        UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
    }

    /// A little-endian number at an offset.
    package func uint32(_ offset: Int) -> UInt32 {
        UInt32(uint16(offset)) | UInt32(uint16(offset + 2)) << 16
    }

    /// Puts a little-endian number at an offset.
    package mutating func set32(_ offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))
        }
    }
}
