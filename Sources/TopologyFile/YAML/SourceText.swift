/// The file's bytes, known to be small enough, UTF-8 and free of what YAML does not allow.
struct SourceText {
    /// The bytes without a byte order mark.
    let bytes: [UInt8]

    /// Nil, with the reason in `sink`, where the bytes are not to be parsed at all.
    init?(_ bytes: [UInt8], _ sink: DiagnosticSink) {
        if bytes.count > TopologyFile.sizeLimit {
            sink.error(
                "the file is \(bytes.count) bytes; at most \(TopologyFile.sizeLimit) are read",
                at: .start, fix: "check that this is a topology; split a mesh this large in two")
            return nil
        }
        let hasMark = bytes.starts(with: [0xef, 0xbb, 0xbf])
        self.bytes = hasMark ? Array(bytes.dropFirst(3)) : bytes
        guard let problem = SourceText.firstProblem(self.bytes) else { return }
        sink.error(problem.message, at: problem.mark, fix: problem.fix)
        return nil
    }

    private struct Problem {
        var message: String
        var mark: Mark
        var fix: String
    }

    private static func firstProblem(_ bytes: [UInt8]) -> Problem? {
        var mark = Mark.start
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\n") {
                mark = Mark(line: mark.line + 1, column: 1)
                index += 1
                continue
            }
            // %TAG and %YAML: nothing here needs them, and libyaml takes quadratic time for many.
            if byte == UInt8(ascii: "%") && mark.column == 1 {
                return Problem(
                    message: "YAML directives are not supported", mark: mark, fix: "remove the line"
                )
            }
            guard let length = scalarLength(bytes, at: index) else {
                return Problem(
                    message: "the file is not UTF-8 text", mark: mark,
                    fix: "save it as UTF-8; check that it is a topology")
            }
            let isControl = byte < 0x20 && byte != 9 && byte != 13 || byte == 0x7f
            if isControl {
                return Problem(
                    message: "a control character (0x\(hex(byte))) is not allowed here", mark: mark,
                    fix: "remove it")
            }
            mark.column += 1
            index += length
        }
        return nil
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.utf8.count == 1 ? "0\(text)" : text
    }

    /// How many bytes the scalar at `index` takes, or nil where it is not well formed.
    ///
    /// *Source:* The Unicode Standard, table 3-7.
    private static func scalarLength(_ bytes: [UInt8], at index: Int) -> Int? {
        func byte(_ offset: Int) -> UInt8 {
            index + offset < bytes.count ? bytes[index + offset] : 0
        }
        func tail(_ offset: Int) -> Bool { byte(offset) & 0xc0 == 0x80 }
        switch byte(0) {
        case 0...0x7f: return 1
        case 0xc2...0xdf: return tail(1) ? 2 : nil
        case 0xe0: return (0xa0...0xbf).contains(byte(1)) && tail(2) ? 3 : nil
        case 0xed: return (0x80...0x9f).contains(byte(1)) && tail(2) ? 3 : nil
        case 0xe1...0xef: return tail(1) && tail(2) ? 3 : nil
        case 0xf0: return (0x90...0xbf).contains(byte(1)) && tail(2) && tail(3) ? 4 : nil
        case 0xf1...0xf3: return tail(1) && tail(2) && tail(3) ? 4 : nil
        case 0xf4: return (0x80...0x8f).contains(byte(1)) && tail(2) && tail(3) ? 4 : nil
        default: return nil
        }
    }
}
