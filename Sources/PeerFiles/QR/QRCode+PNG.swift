extension QRCode {
    /// The code as a PNG picture, one bit a pixel.
    ///
    /// *Source:* PNG (RFC 2083), zlib (RFC 1950) and stored blocks of deflate (RFC 1951, 3.2.4): a code of the largest
    /// version is 260 kB so, and nothing needs a compressor.
    ///
    /// - Parameter scale: *Units:* pixels a module.
    public func png(scale: Int = 8) -> [UInt8] {
        let pixels = side * scale
        var rows: [UInt8] = []
        for row in 0..<pixels {
            // Each row begins with its filter: none.
            rows.append(0)
            var byte: UInt8 = 0
            for column in 0..<pixels {
                let isLight = !isDark(row / scale, column / scale)
                byte = byte << 1 | (isLight ? 1 : 0)
                if column % 8 == 7 {
                    rows.append(byte)
                    byte = 0
                }
            }
            if pixels % 8 != 0 { rows.append(byte << UInt8(8 - pixels % 8)) }
        }
        // Width, height, one bit deep, greyscale; the only compression, filtering and no interlacing.
        let header = PNG.big(pixels) + PNG.big(pixels) + [1, 0, 0, 0, 0]
        return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
            + PNG.chunk("IHDR", header) + PNG.chunk("IDAT", PNG.stored(rows))
            + PNG.chunk("IEND", [])
    }
}

/// The three layers of a PNG file.
private enum PNG {
    static func big(_ number: Int) -> [UInt8] { big(UInt32(truncatingIfNeeded: number)) }

    static func big(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return big(data.count) + body + big(crc(body))
    }

    /// A zlib stream of blocks that are not compressed.
    static func stored(_ data: [UInt8]) -> [UInt8] {
        // Deflate with a window of 32 kB; the second byte makes the pair a multiple of 31.
        var stream: [UInt8] = [0x78, 0x01]
        var place = 0
        repeat {
            let count = min(data.count - place, 65535)
            let isLast = place + count == data.count
            let (low, high) = (UInt8(count & 0xff), UInt8(count >> 8))
            stream += [isLast ? 1 : 0, low, high, ~low, ~high]
            stream += data[place..<place + count]
            place += count
        } while place < data.count
        return stream + big(adler(data))
    }

    /// *Source:* RFC 1950, 8.2.
    private static func adler(_ data: [UInt8]) -> UInt32 {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in data {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        return b << 16 | a
    }

    /// *Source:* RFC 2083, appendix 15.
    private static func crc(_ data: [UInt8]) -> UInt32 {
        var value: UInt32 = 0xffff_ffff
        for byte in data {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? 0xedb8_8320 ^ value >> 1 : value >> 1 }
        }
        return ~value
    }
}
