import Glibc
import LinuxSystem

/// The agent's words: one line each, to standard error, to the journal, or to a file of bounded size.
package final class NodeLog {
    /// How much a line matters. *Source:* sd-daemon(3), syslog levels.
    package enum Level: Int, Sendable {
        /// Something failed.
        case error = 3
        /// Something is odd, or was taken back.
        case warning = 4
        /// Something was done.
        case notice = 5
    }

    /// Where lines go.
    package enum Sink: Sendable, Equatable {
        /// Standard error, with time and level in words.
        case standardError
        /// Standard error that leads to the journal, with `<4>` in front.
        case journal
        /// A file, 0600, of at most twice ``fileLimit`` with its predecessor.
        case file(String)
        /// Nowhere.
        case none
    }

    /// When a log file is set aside. *Units:* bytes.
    package static let fileLimit = 1 << 20

    private let sink: Sink
    private var written = 0

    /// A log that goes to `sink`.
    package init(_ sink: Sink) {
        self.sink = sink
        if case .file(let path) = sink { written = Self.size(of: path) }
    }

    /// Something failed.
    package func error(_ text: String) { write(.error, text) }
    /// Something is odd, or was taken back.
    package func warning(_ text: String) { write(.warning, text) }
    /// Something was done.
    package func notice(_ text: String) { write(.notice, text) }

    private func write(_ level: Level, _ text: String) {
        // One line is one line, whatever a kernel or a name had in it.
        let line = String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(2_000).map {
                    $0.value < 32 || $0.value == 127 ? " " : $0
                }))
        switch sink {
        case .none: return
        case .journal: put(2, "<\(level.rawValue)>\(line)\n")
        case .standardError: put(2, "\(Self.timestamp(Clocks.wallSeconds())) \(level): \(line)\n")
        case .file(let path):
            append(path, "\(Self.timestamp(Clocks.wallSeconds())) \(level): \(line)\n")
        }
    }

    private func put(_ number: Int32, _ line: String) {
        // A log that cannot be written must not stop the agent.
        try? IO.writeAll(number, line.utf8)
    }

    private func append(_ path: String, _ line: String) {
        if written + line.utf8.count > Self.fileLimit {
            _ = rename(path, path + ".1")
            written = 0
        }
        let number = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard number >= 0 else { return }
        let file = Descriptor(owning: number)
        put(file.number, line)
        written += line.utf8.count
    }

    private static func size(of path: String) -> Int {
        var info = stat()
        return lstat(path, &info) == 0 ? Int(info.st_size) : 0
    }

    /// `2026-01-31T12:00:00Z`.
    static func timestamp(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
