/// Text cut to columns.
package enum TextWrap {
    /// Breaks at spaces so that no line exceeds `width`, but for words that are longer by themselves.
    package static func lines(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        var used = 0
        for word in text.split(whereSeparator: { $0 == " " || $0.isNewline }) {
            let columns = visible(word)
            if used > 0 && columns >= width - used {
                lines.append(line)
                line = ""
                used = 0
            }
            line += (used == 0 ? "" : " ") + word
            used += (used == 0 ? 0 : 1) + columns
        }
        lines.append(line)
        return lines
    }

    /// The text in at most `width` columns of one line, an ellipsis for what is cut.
    package static func clip(_ text: String, width: Int) -> String {
        let line = String(text.map { $0.isNewline ? " " : $0 })
        return line.count <= width ? line : line.prefix(max(width - 1, 0)) + "…"
    }

    /// `label` and a text that, where it is too long for `width`, goes on below its own beginning; each line of the
    /// text painted by itself, because a pager forgets colours at the end of a line.
    package static func hang(
        _ label: String, _ text: String, width: Int, paint: (String) -> String = { $0 }
    ) -> [String] {
        let left = visible(label)
        let margin = String(repeating: " ", count: left)
        return lines(text, width: max(width - left, 20)).enumerated().map { index, line in
            (index == 0 ? label : margin) + paint(line)
        }
    }

    /// The text without what a terminal would obey: control characters, and those that turn the direction of writing.
    package static func plain(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.value {
                    case 0x0a: " "
                    case 0..<0x20, 0x7f...0x9f, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069:
                        "\u{fffd}"
                    default: scalar
                    }
                }))
    }

    /// Columns that a text takes, colours not counted.
    package static func visible(_ text: some StringProtocol) -> Int {
        var count = 0
        var inEscape = false
        for character in text {
            if character == "\u{1b}" {
                inEscape = true
            } else if inEscape {
                if character == "m" { inEscape = false }
            } else {
                count += 1
            }
        }
        return count
    }
}

extension String {
    /// The text with spaces behind it up to `width` columns, colours not counted.
    package func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - TextWrap.visible(self)))
    }
}

/// Numbers for people. They may come from a node, so that none is too odd to be shown.
package enum Human {
    /// `1.2 MiB`.
    package static func bytes(_ count: UInt64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(count) B" : "\(tenth(value)) \(unit)" }
            value /= 1024
        }
        return "\(tenth(value)) TiB"
    }

    /// `12 s`, `3 min`, `5 h`, `2 d`.
    package static func age(_ seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(whole(seconds)) s"
        case ..<7200: "\(whole(seconds / 60)) min"
        case ..<172_800: "\(whole(seconds / 3600)) h"
        default: "\(whole(seconds / 86_400)) d"
        }
    }

    /// One digit behind the point.
    package static func tenth(_ value: Double) -> String {
        let tenths = whole((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// `1 step`, `2 steps`.
    package static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// Rounded down, and held between 0 and a million million.
    private static func whole(_ value: Double) -> Int {
        value > 0 ? Int(min(value, 1e12)) : 0
    }
}
