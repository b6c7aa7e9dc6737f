import MeshModel
import Netlink

/// Text that may hold keys: it grows by moving to larger memory and wiping the old, and wipes itself when it goes.
package struct UAPIText: ~Copyable {
    private var buffer: WipedBuffer
    private(set) var count = 0

    init(capacity: Int = 4096) {
        buffer = WipedBuffer(count: max(capacity, 64))
    }

    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count])
    }

    /// Room for `size` more bytes, which ``commit(_:)`` then takes.
    mutating func room(_ size: Int) -> UnsafeMutableRawBufferPointer {
        if buffer.bytes.count - count < size {
            let larger = WipedBuffer(count: max(buffer.bytes.count * 2, count + size))
            larger.bytes.copyMemory(from: bytes)
            buffer = larger
        }
        return UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[count...])
    }

    mutating func commit(_ size: Int) { count = min(count + max(size, 0), buffer.bytes.count) }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { characters in
            room(characters.count).copyMemory(from: UnsafeRawBufferPointer(characters))
            commit(characters.count)
        }
    }

    /// One line, `key=value`.
    mutating func line(_ key: String, _ value: String) {
        append(key)
        append("=")
        append(value)
        append("\n")
    }

    /// One line with a key's 32 bytes in hexadecimal, made without looking a secret up in a table.
    mutating func line(_ key: String, hex bytes: UnsafeRawBufferPointer) {
        append(key)
        append("=")
        let target = room(bytes.count * 2)
        for (index, byte) in bytes.enumerated() {
            target[index * 2] = UAPIHex.digit(byte >> 4)
            target[index * 2 + 1] = UAPIHex.digit(byte & 15)
        }
        commit(bytes.count * 2)
        append("\n")
    }
}

/// Hexadecimal in constant time.
enum UAPIHex {
    /// The character of a value below 16: '0' and the value, and 39 more from ten on.
    static func digit(_ value: UInt8) -> UInt8 {
        // All ones where the value is ten or more.
        let isLetter = 0 &- ((value &+ 6) >> 4)
        return 48 &+ value &+ (39 & isLetter)
    }

    /// The value of a character, or 255 or more in the upper bits where it is no digit.
    static func value(_ character: UInt8) -> UInt16 {
        let code = Int16(character)
        let lower = code | 0x20
        // Each mask is all ones where the character lies in the range.
        let isDigit = ((47 - code) & (code - 58)) >> 15
        let isLetter = ((96 - lower) & (lower - 103)) >> 15
        let value = (isDigit & (code - 48)) | (isLetter & (lower - 87))
        return UInt16(bitPattern: value | ~(isDigit | isLetter) & 0x100)
    }

    /// Decodes 64 characters into 32 bytes; false where they are not 64 digits.
    static func decode(_ text: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer)
        -> Bool
    {
        guard text.count == target.count * 2 else { return false }
        var wrong: UInt16 = 0
        for index in 0..<target.count {
            let upper = value(text[index * 2])
            let lower = value(text[index * 2 + 1])
            wrong |= (upper | lower) & 0x100
            target[index] = UInt8(truncatingIfNeeded: upper << 4 | lower & 15)
        }
        return wrong == 0
    }
}
