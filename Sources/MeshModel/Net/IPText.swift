/// The text forms of addresses. *Source:* RFC 4291 section 2.2, RFC 5952.
enum IPText {
    static func ipv4(_ bits: UInt64) -> String {
        "\(bits >> 24 & 255).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
    }

    static func ipv6(high: UInt64, low: UInt64) -> String {
        let groups = [high, low].flatMap { half in
            [48, 32, 16, 0].map { half >> UInt64($0) & 0xffff }
        }
        let run = longestZeroRun(groups)
        // ::ffff:0:0/96 is written with its IPv4 part (RFC 5952 section 5).
        if high == 0 && low >> 32 == 0xffff { return "::ffff:" + ipv4(low & 0xffff_ffff) }
        let text = groups.map { String($0, radix: 16) }
        guard let run else { return text.joined(separator: ":") }
        return text[..<run.lowerBound].joined(separator: ":") + "::"
            + text[run.upperBound...].joined(separator: ":")
    }

    /// The first longest run of two or more zero groups.
    private static func longestZeroRun(_ groups: [UInt64]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count && groups[end] == 0 { end += 1 }
            if end - start >= 2 && end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }

    static func parse(_ text: String) -> IPAddress? {
        let bytes = Array(text.utf8)
        if bytes.count > 45 { return nil }
        return bytes.contains(UInt8(ascii: ":")) ? parseIPv6(bytes[...]) : parseIPv4(bytes[...])
    }

    private static func parseIPv4(_ text: ArraySlice<UInt8>) -> IPAddress? {
        var bits: UInt32 = 0
        var value: UInt32 = 0
        var digits = 0
        var dots = 0
        // Byte by byte, since every endpoint of a large mesh passes here in every plan.
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                bits = bits << 8 | value
                (value, digits, dots) = (0, 0, dots + 1)
                continue
            }
            guard (48...57).contains(byte), digits == 0 || value > 0 else { return nil }
            value = value * 10 + UInt32(byte - 48)
            digits += 1
            if value > 255 { return nil }
        }
        guard digits > 0, dots == 3 else { return nil }
        bits = bits << 8 | value
        return IPAddress(ipv4: bits)
    }

    private static func parseIPv6(_ text: ArraySlice<UInt8>) -> IPAddress? {
        let colon = UInt8(ascii: ":")
        var gap: Int?
        var groups: [UInt64] = []
        var rest = text
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        } else if rest.first == colon {
            return nil
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != colon }
            if part.contains(UInt8(ascii: ".")) {
                guard part.endIndex == rest.endIndex, let tail = parseIPv4(part) else { return nil }
                groups += [tail.low >> 16, tail.low & 0xffff]
                rest = rest[rest.endIndex...]
                break
            }
            guard let value = hexGroup(part) else { return nil }
            groups.append(value)
            rest = rest[part.endIndex...]
            if rest.starts(with: [colon, colon]) {
                if gap != nil { return nil }
                gap = groups.count
                rest = rest.dropFirst(2)
            } else if rest.first == colon {
                rest = rest.dropFirst()
                if rest.isEmpty { return nil }
            }
        }
        return assemble(groups, gap: gap)
    }

    private static func hexGroup(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt64 = 0
        for byte in text {
            guard let digit = hexDigit(byte) else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    private static func assemble(_ groups: [UInt64], gap: Int?) -> IPAddress? {
        var all = groups
        if let gap {
            if groups.count > 7 { return nil }
            all.insert(contentsOf: [UInt64](repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard all.count == 8 else { return nil }
        let halves = [all[..<4], all[4...]].map { $0.reduce(UInt64(0)) { $0 << 16 | $1 } }
        return IPAddress(family: .ipv6, high: halves[0], low: halves[1])
    }
}

/// The value of one hexadecimal digit.
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
}

/// A number in its one decimal form: digits only, no leading zeros, and no more than fit.
func decimal(_ text: Substring) -> Int? {
    let digits = text.utf8
    guard !digits.isEmpty, digits.allSatisfy({ (48...57).contains($0) }),
        digits.count == 1 || digits.first != 48
    else { return nil }
    return Int(text)
}
