/// Builds the tree out of events, within limits that a hand-written topology never meets.
struct YAMLComposer: ~Copyable {
    /// Levels of nesting; a topology needs six.
    static let depthLimit = 64
    /// Nodes in the tree, those behind aliases counted each time.
    static let nodeLimit = 200_000
    /// Aliases in the file.
    static let aliasLimit = 256

    private let sink: DiagnosticSink
    private var events: YAMLEventStream
    private var anchors: [String: YAMLNode] = [:]
    private var aliasCount = 0
    private var nodeCount = 0
    /// Set where composing cannot go on; every level then closes with what it has.
    private var isOver = false
    /// Whether what stands right before the break is already left out: it is probably part of what broke.
    private var isBreakTrimmed = false

    /// The tree, or what could be read of it before an error that is in `sink`; nil where there is nothing.
    static func compose(_ text: SourceText, _ sink: DiagnosticSink) -> YAMLNode? {
        do {
            var composer = YAMLComposer(try YAMLEventStream(text.bytes), sink)
            return composer.document()
        } catch {
            sink.truncate(error.problem, at: error.mark, fix: nil)
            return nil
        }
    }

    private init(_ events: consuming YAMLEventStream, _ sink: DiagnosticSink) {
        self.events = events
        self.sink = sink
    }

    private mutating func document() -> YAMLNode? {
        _ = next()
        guard let start = next(), case .documentStart = start.kind else {
            if !isOver { refuseEmpty() }
            return nil
        }
        guard let first = next() else { return nil }
        let root = node(first, depth: 1)
        if isOver { return root }
        _ = next()
        if let more = next(), case .documentStart = more.kind {
            sink.error(
                "a second YAML document starts here; a topology is one document", at: more.mark,
                fix: "remove the `---` line, or put the other mesh in its own file")
        }
        if let root, root.isNull {
            refuseEmpty()
            return nil
        }
        return root
    }

    private func refuseEmpty() {
        sink.error("the file is empty", at: .start, fix: "run `meshproof init` to write a starter")
    }

    private mutating func next() -> YAMLEvent? {
        if isOver { return nil }
        do {
            return try events.next()
        } catch {
            isOver = true
            let context = error.context.map { " \($0)" } ?? ""
            sink.truncate(
                "not valid YAML: \(error.problem)\(context)", at: error.mark,
                fix: YAMLHints.fix(for: error))
            return nil
        }
    }

    private mutating func stop(_ message: String, at mark: Mark, fix: String) {
        isOver = true
        sink.truncate(message, at: mark, fix: fix)
    }

    private mutating func node(_ event: YAMLEvent, depth: Int) -> YAMLNode? {
        if depth > Self.depthLimit {
            stop(
                "nested more than \(Self.depthLimit) levels deep", at: event.mark,
                fix: "a topology needs about six levels; look for a missing bracket")
            return nil
        }
        if let tag = event.tag {
            sink.error(
                "YAML tags (\(tag.prefix(40))) are not supported", at: event.mark,
                fix: "remove the tag")
        }
        guard let node = content(event, depth: depth) else { return nil }
        if let anchor = event.anchor { anchors[anchor] = node }
        return node
    }

    private mutating func content(_ event: YAMLEvent, depth: Int) -> YAMLNode? {
        guard count(1, at: event.mark) else { return nil }
        switch event.kind {
        case .scalar(let scalar):
            // Escapes in double quotes can make what the file itself may not hold.
            if scalar.text.utf8.contains(where: { $0 < 32 && $0 != 9 && $0 != 10 || $0 == 127 }) {
                sink.error(
                    "the text holds a control character", at: event.mark,
                    fix: "remove the escape sequence")
            }
            return YAMLNode(content: .scalar(scalar), mark: event.mark, weight: 1)
        case .alias(let name):
            return alias(name, at: event.mark)
        case .sequenceStart:
            return sequence(at: event.mark, depth: depth)
        case .mappingStart:
            return mapping(at: event.mark, depth: depth)
        default:
            return nil
        }
    }

    private mutating func sequence(at mark: Mark, depth: Int) -> YAMLNode {
        var items: [YAMLNode] = []
        while let event = next() {
            if case .sequenceEnd = event.kind { break }
            guard let item = node(event, depth: depth + 1) else { break }
            items.append(item)
        }
        if trimsBreak(), !items.isEmpty { items.removeLast() }
        return YAMLNode(
            content: .sequence(items), mark: mark, weight: items.reduce(1) { $0 + $1.weight })
    }

    private mutating func mapping(at mark: Mark, depth: Int) -> YAMLNode {
        var entries: [YAMLNode.Entry] = []
        while let event = next() {
            if case .mappingEnd = event.kind { break }
            guard let key = node(event, depth: depth + 1), let second = next(),
                let value = node(second, depth: depth + 1)
            else { break }
            entries.append(YAMLNode.Entry(key: key, value: value))
        }
        if trimsBreak(), !entries.isEmpty { entries.removeLast() }
        return YAMLNode(
            content: .mapping(entries), mark: mark,
            weight: entries.reduce(1) { $0 + $1.key.weight + $1.value.weight })
    }

    /// True once, for the innermost collection that the YAML broke in.
    private mutating func trimsBreak() -> Bool {
        defer { isBreakTrimmed = isBreakTrimmed || isOver }
        return isOver && !isBreakTrimmed
    }

    private mutating func alias(_ name: String, at mark: Mark) -> YAMLNode? {
        aliasCount += 1
        if aliasCount > Self.aliasLimit {
            stop(
                "more than \(Self.aliasLimit) aliases", at: mark, fix: "write the values out")
            return nil
        }
        guard let target = anchors[name] else {
            stop(
                "the alias *\(name) has no finished anchor &\(name) before it", at: mark,
                fix: "put &\(name) on an earlier value, outside of which the alias stands")
            return nil
        }
        guard count(target.weight, at: mark) else { return nil }
        return YAMLNode(content: target.content, mark: mark, weight: target.weight)
    }

    private mutating func count(_ more: Int, at mark: Mark) -> Bool {
        nodeCount += more
        if nodeCount <= Self.nodeLimit { return true }
        stop(
            "more than \(Self.nodeLimit) values, those behind aliases counted each time", at: mark,
            fix: "write fewer values; aliases must not multiply")
        return false
    }
}

/// What usually lies behind libyaml's messages.
enum YAMLHints {
    static func fix(for failure: YAMLFailure) -> String {
        let problem = failure.problem
        if problem.contains("cannot start any token") {
            return "indent with spaces, not tabs, and quote values that start with @, ` or %"
        }
        if problem.contains("mapping values are not allowed") {
            return "put the inner key on its own line, or write { key: value }"
        }
        if problem.contains("could not find expected ':'") {
            return "write `key: value`, with a space after the colon"
        }
        if problem.contains("did not find expected key")
            || problem.contains("did not find expected '-' indicator")
        {
            return "indent this line like its neighbours"
        }
        if problem.contains("',' or") {
            return "close the bracket or brace, or add the missing comma"
        }
        if problem.contains("unexpected end of stream") { return "close the quote or bracket" }
        return "correct the YAML here"
    }
}
