/// A value that is to be written, with the style it is to have.
indirect enum YAMLValue: Equatable {
    /// Text, quoted where it needs to be.
    case scalar(String)
    /// A list; in brackets where `isFlow`.
    case list([YAMLValue], isFlow: Bool)
    /// A mapping in order; in braces where `isFlow`.
    case map([Field], isFlow: Bool)

    struct Field: Equatable {
        var key: String
        var value: YAMLValue

        init(_ key: String, _ value: YAMLValue) {
            self.key = key
            self.value = value
        }
    }

    /// On one line, as it stands within a flow collection.
    var flow: String {
        switch self {
        case .scalar(let text): YAMLText.scalar(text)
        case .list(let items, _):
            "[" + items.map(\.flowItem).joined(separator: ", ") + "]"
        case .map(let fields, _):
            fields.isEmpty
                ? "{}" : "{ " + fields.map(\.flow).joined(separator: ", ") + " }"
        }
    }

    /// On one line, as an item of a list: a single pair needs no braces.
    var flowItem: String {
        guard case .map(let fields, _) = self, fields.count == 1 else { return flow }
        return fields[0].flow
    }

    /// Whether it goes on the line of its key.
    var isInline: Bool {
        switch self {
        case .scalar: true
        case .list(let items, let isFlow): isFlow || items.isEmpty
        case .map(let fields, let isFlow): isFlow || fields.isEmpty
        }
    }

    /// As lines in block style.
    func lines(indent: String, step: String) -> [String] {
        switch self {
        case .scalar: [indent + flow]
        case .list(let items, _): items.map { indent + "- " + $0.flowItem }
        case .map(let fields, _):
            fields.flatMap { $0.lines(indent: indent, step: step) }
        }
    }
}

extension YAMLValue.Field {
    /// `key: value` on one line.
    var flow: String { "\(YAMLText.scalar(key)): \(value.flow)" }

    /// As lines in block style.
    func lines(indent: String, step: String) -> [String] {
        if value.isInline { return [indent + flow] }
        return ["\(indent)\(YAMLText.scalar(key)):"]
            + value.lines(indent: indent + step, step: step)
    }
}

/// Text as YAML.
enum YAMLText {
    /// The text itself where every reader takes it for the same text, else in double quotes.
    static func scalar(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let isPlain =
            bytes.first.map(isStart) == true && bytes.allSatisfy(isInner) && bytes.last != 58
            && bytes.last != 32 && !text.contains(": ") && !hasOtherMeaning(text)
        if isPlain { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private static func isStart(_ byte: UInt8) -> Bool {
        isWord(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "+")
    }

    private static func isInner(_ byte: UInt8) -> Bool {
        isWord(byte) || "/+=@._-: >".utf8.contains(byte)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }

    /// Words that YAML 1.1 reads as nothing. Numbers and booleans are read as text here, or wanted as such.
    private static func hasOtherMeaning(_ text: String) -> Bool {
        ["null", "Null", "NULL"].contains(text)
    }
}
