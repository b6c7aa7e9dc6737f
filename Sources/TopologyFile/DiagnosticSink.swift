/// Where every layer puts what it finds. It keeps a bounded number, so that a hostile file cannot make
/// the report grow without end.
final class DiagnosticSink {
    /// More than anybody reads; the first ones in finding order are kept.
    static let limit = 200

    private let file: String
    private var found: [Diagnostic] = []
    private var seen: Set<Diagnostic> = []
    private var dropped = 0
    private(set) var hasErrors = false
    /// Whether the YAML ended early, so that what seems missing may only be unread.
    private(set) var isTruncated = false

    init(file: String) {
        self.file = file
    }

    /// Whether hints are still worth their time.
    var isFull: Bool { found.count >= Self.limit }

    func error(_ message: String, at mark: Mark, fix: String?) {
        hasErrors = true
        add(message, mark, .error, fix)
    }

    func warning(_ message: String, at mark: Mark, fix: String?) {
        add(message, mark, .warning, fix)
    }

    /// Something that should be there is not; said only where the whole file was read.
    func missing(_ message: String, at mark: Mark, fix: String?) {
        if !isTruncated { error(message, at: mark, fix: fix) }
    }

    /// The YAML itself is broken here, and nothing after it was read.
    func truncate(_ message: String, at mark: Mark, fix: String?) {
        error(message, at: mark, fix: fix)
        isTruncated = true
    }

    func sorted() -> [Diagnostic] {
        var all = found.enumerated().sorted { left, right in
            let one = (left.element.line, left.element.column, left.offset)
            return one < (right.element.line, right.element.column, right.offset)
        }.map(\.element)
        if dropped > 0, let last = all.last {
            all.append(
                Diagnostic(
                    file: file, line: last.line, column: last.column, severity: .error,
                    message: "\(dropped) more mistakes are not shown",
                    fix: "correct these first, then check again"))
        }
        return all
    }

    private func add(
        _ message: String, _ mark: Mark, _ severity: Diagnostic.Severity, _ fix: String?
    ) {
        if isFull {
            dropped += 1
            return
        }
        let diagnostic = Diagnostic(
            file: file, line: mark.line, column: mark.column, severity: severity, message: message,
            fix: fix)
        if seen.insert(diagnostic).inserted { found.append(diagnostic) }
    }
}
