/// A node of the YAML source: what it is, and which bytes of the file it takes.
///
/// Unlike ``YAMLNode`` it keeps the writing: an alias stays an alias, and the style is known.
struct SourceNode {
    enum Content {
        case scalar(String, isPlain: Bool)
        case alias
        case sequence([SourceNode])
        case mapping([Entry])
    }

    struct Entry {
        let key: SourceNode
        let value: SourceNode
    }

    /// How a collection is written.
    enum Style {
        /// By indentation.
        case block
        /// In brackets or braces.
        case flow
        /// One `key: value` within a flow sequence, without braces of its own.
        case pair
    }

    let content: Content
    let style: Style
    /// *Units:* bytes of the file. Of a block collection, up to the end of its last value.
    let span: Range<Int>

    /// The entries of a mapping; nil for all else.
    var entries: [Entry]? {
        guard case .mapping(let entries) = content else { return nil }
        return entries
    }

    /// The items of a sequence; nil for all else.
    var items: [SourceNode]? {
        guard case .sequence(let items) = content else { return nil }
        return items
    }

    /// The text of a scalar; nil for all else.
    var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }

    /// Whether nothing is written here, or a word for nothing.
    var isNothing: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// Which entry of a mapping has this key.
    func position(of key: String) -> Int? { entries?.firstIndex { $0.key.text == key } }

    /// The value under a key of a mapping.
    subscript(_ key: String) -> SourceNode? {
        position(of: key).flatMap { entries?[$0].value }
    }
}
