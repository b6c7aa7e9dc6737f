import CLinux
import Glibc

/// Colours and marks, or plain text where nobody can see colours.
package struct Style: Sendable {
    package let color: Bool

    package init(color: Bool) { self.color = color }

    package func bold(_ text: String) -> String { wrap("1", text) }
    package func dim(_ text: String) -> String { wrap("2", text) }
    package func red(_ text: String) -> String { wrap("31", text) }
    package func green(_ text: String) -> String { wrap("32", text) }
    package func yellow(_ text: String) -> String { wrap("33", text) }
    package func cyan(_ text: String) -> String { wrap("36", text) }

    /// A tick or a cross.
    package func mark(_ good: Bool) -> String { good ? green("✓") : red("✗") }

    private func wrap(_ code: String, _ text: String) -> String {
        color ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// One of the two output streams: whether it is a terminal, how wide, and how to write to it.
package struct Output: Sendable {
    package let descriptor: Int32
    package let isTerminal: Bool
    /// Whether lines can be written over: a terminal, and not a dumb one.
    package let canRewrite: Bool
    package let style: Style

    package init(_ descriptor: Int32, noColor: Bool) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        let dumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        canRewrite = isTerminal && !dumb
        style = Style(color: canRewrite && !refused && !noColor)
    }

    /// Columns, 80 where it is no terminal.
    package var width: Int {
        let width = Int(cl_terminal_width(descriptor))
        return width > 0 ? width : 80
    }

    /// Columns for what a reader's program may want whole: no limit where it is no terminal, unless the environment's
    /// COLUMNS says how wide the reader is.
    package var wrapWidth: Int {
        if isTerminal { return width }
        guard let text = getenv("COLUMNS"), let columns = Int(String(cString: text)), columns >= 40
        else { return Int.max / 2 }
        return columns
    }

    /// False once the reader of a pipe has gone away. *Source:* `poll(2)`, POLLERR.
    package var hasReader: Bool {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) < 1 || Int32(entry.revents) & (POLLERR | POLLNVAL) == 0
    }

    /// Writes `label` and a text that, where it is too long for the terminal, goes on below its own beginning.
    package func hang(_ label: String, _ text: String) {
        TextWrap.hang(label, text, width: wrapWidth).forEach { line($0) }
    }

    /// Writes text and a newline; a reader that has gone away is no error of ours.
    package func line(_ text: String = "") { write(text + "\n") }

    package func write(_ text: String) {
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
