import MeshModel

/// Reads single values, and says what was expected where something else is written.
struct ValueReader {
    let sink: DiagnosticSink

    /// Text, quoted or not; nil with a diagnostic for anything else.
    func text(_ node: YAMLNode, _ what: String) -> Marked<String>? {
        if let text = node.text, !text.isEmpty { return Marked(text, node.mark) }
        let found = node.text == "" ? "empty text" : node.kind
        let fix = "write \(what) here"
        if node.isNull {
            sink.missing("expected \(what), found nothing", at: node.mark, fix: fix)
        } else {
            sink.error("expected \(what), found \(found)", at: node.mark, fix: fix)
        }
        return nil
    }

    /// A decimal number within `range`, without quotes.
    func integer(_ node: YAMLNode, _ what: String, _ range: ClosedRange<Int>) -> Marked<Int>? {
        guard let text = text(node, what) else { return nil }
        let bounds = "\(range.lowerBound) to \(range.upperBound)"
        let digits = text.value.utf8
        guard digits.allSatisfy({ (48...57).contains($0) }) else {
            sink.error(
                "expected \(what), found `\(clip(text.value))`", at: text.mark,
                fix: "write a whole number from \(bounds)")
            return nil
        }
        if !node.isPlain {
            sink.error(
                "expected \(what), found quoted text", at: text.mark, fix: "remove the quotes")
            return nil
        }
        if digits.count > 1 && digits.first == 48 {
            // YAML 1.1 reads a leading zero as octal, people do not.
            sink.error(
                "the number `\(clip(text.value))` starts with a zero", at: text.mark,
                fix: "write it without leading zeros")
            return nil
        }
        guard let value = Int(text.value), range.contains(value) else {
            sink.error(
                "\(clip(text.value)) is not \(what)", at: text.mark,
                fix: "write a whole number from \(bounds)")
            return nil
        }
        return Marked(value, text.mark)
    }

    /// A UDP or TCP port from 1 up to `highest`.
    func port(_ node: YAMLNode, highest: Int = 65535) -> Marked<UInt16>? {
        guard let value = integer(node, "a port", 1...highest) else { return nil }
        return Marked(UInt16(truncatingIfNeeded: value.value), value.mark)
    }

    /// `on` or `off`, `true` or `false`, `yes` or `no`.
    func boolean(_ node: YAMLNode, _ what: String) -> Marked<Bool>? {
        guard let text = text(node, what) else { return nil }
        switch text.value.lowercased() {
        case "on", "true", "yes": return Marked(true, text.mark)
        case "off", "false", "no": return Marked(false, text.mark)
        default:
            sink.error(
                "expected \(what), found `\(clip(text.value))`", at: text.mark,
                fix: "write \(what)")
            return nil
        }
    }

    /// One of the raw values of an enumeration.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: YAMLNode, _ what: String, _: Choice.Type
    ) -> Marked<Choice>? where Choice.RawValue == String {
        guard let text = text(node, what) else { return nil }
        if let choice = Choice(rawValue: text.value) { return Marked(choice, text.mark) }
        unknown(what, text, among: Choice.allCases.map(\.rawValue))
        return nil
    }

    /// A list of items, or one item written without a list.
    func items(_ node: YAMLNode) -> [YAMLNode] {
        if case .sequence(let items) = node.content { return items }
        return [node]
    }

    /// A DNS label in lower case; anything else is reported and still returned, so that references to it resolve.
    func label(_ text: Marked<String>, _ what: String) {
        guard let problem = Labels.problem(text.value) else { return }
        let fix =
            Labels.suggestion(text.value).map { "call it `\($0)`" }
            ?? "use 1 to 63 of a-z, 0-9 and -, starting and ending with a letter or digit"
        sink.error(
            "\(what) `\(clip(text.value))` is not a DNS label: \(problem)", at: text.mark, fix: fix)
    }

    /// Reports a word that is none of `candidates`, with the nearest one or all of them.
    func unknown(_ what: String, _ text: Marked<String>, among candidates: [String]) {
        sink.error(
            "expected \(what), found `\(clip(text.value))`", at: text.mark,
            fix: suggestion(text.value, among: candidates))
    }

    /// "did you mean" the nearest, else the whole choice where it is short.
    func suggestion(_ name: String, among candidates: [String]) -> String {
        if sink.isFull { return "" }
        if let near = NearestName.find(name, among: candidates) { return "did you mean `\(near)`?" }
        if candidates.isEmpty { return "define it first" }
        if candidates.count <= 24 { return "use one of " + candidates.joined(separator: ", ") }
        return "use one of the \(candidates.count) that are defined"
    }

    /// Text short enough for a message, on one line.
    func clip(_ text: String) -> String {
        let line = text.unicodeScalars.prefix(60).map { $0.value < 32 ? " " : Character($0) }
        return String(line) + (text.unicodeScalars.count > 60 ? "…" : "")
    }
}

/// DNS labels: names of meshes, nodes, services and paths. They become names of interfaces, folders and hosts.
///
/// *Source:* RFC 1123 section 2.1, in lower case.
enum Labels {
    /// What is wrong with `name`, or nil.
    static func problem(_ name: String) -> String? {
        let bytes = Array(name.utf8)
        if bytes.isEmpty { return "it is empty" }
        if bytes.count > 63 {
            return "it is \(bytes.count) characters long, at most 63 are allowed"
        }
        if name != name.lowercased() && name.allSatisfy(\.isASCII) {
            return "it has capital letters"
        }
        if !bytes.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }) {
            return "only a-z, 0-9 and - are allowed"
        }
        if bytes.first == UInt8(ascii: "-") || bytes.last == UInt8(ascii: "-") {
            return "it starts or ends with -"
        }
        return nil
    }

    /// The nearest name that is a label, where one is easily made.
    static func suggestion(_ name: String) -> String? {
        let mapped = name.lowercased().utf8.prefix(63).map {
            isLetterOrDigit($0) ? $0 : UInt8(ascii: "-")
        }
        let dash = UInt8(ascii: "-")
        let trimmed = mapped.drop { $0 == dash }.reversed().drop { $0 == dash }.reversed()
        return trimmed.isEmpty ? nil : String(decoding: Array(trimmed), as: UTF8.self)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte)
    }
}
