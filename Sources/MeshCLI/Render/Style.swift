import CLinux
import Glibc

/// Colours and marks, or plain text where nobody can see colours.
struct Style: Sendable {
    let color: Bool

    func bold(_ text: String) -> String { wrap("1", text) }
    func dim(_ text: String) -> String { wrap("2", text) }
    func red(_ text: String) -> String { wrap("31", text) }
    func green(_ text: String) -> String { wrap("32", text) }
    func yellow(_ text: String) -> String { wrap("33", text) }
    func cyan(_ text: String) -> String { wrap("36", text) }

    /// A tick or a cross.
    func mark(_ good: Bool) -> String { good ? green("✓") : red("✗") }

    private func wrap(_ code: String, _ text: String) -> String {
        color ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// One of the two output streams: whether it is a terminal, how wide, and how to write to it.
struct Output: Sendable {
    let descriptor: Int32
    let isTerminal: Bool
    let style: Style

    init(_ descriptor: Int32, noColor: Bool) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        let dumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        style = Style(color: isTerminal && !dumb && !refused && !noColor)
    }

    /// Columns, 80 where it is no terminal.
    var width: Int {
        let width = Int(cl_terminal_width(descriptor))
        return width > 0 ? width : 80
    }

    /// Writes text and a newline; a reader that has gone away is no error of ours.
    func line(_ text: String = "") { write(text + "\n") }

    func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if written <= 0 {
                if written < 0 && errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(written)
        }
    }
}
