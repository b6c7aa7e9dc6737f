/// A mapping whose keys are known: looked up by key, with unknown and repeated keys already reported.
struct Fields {
    let mark: Mark
    private var values: [String: YAMLNode] = [:]

    /// Nil, with a diagnostic, where `node` is no mapping. Nothing at all counts as an empty one where
    /// `orNothing`.
    init?(
        _ node: YAMLNode, of what: String, keys: [String], _ read: ValueReader,
        orNothing: Bool = false
    ) {
        mark = node.mark
        if orNothing && node.isNull { return }
        guard let entries = Fields.entries(node, of: what, read) else { return nil }
        for (key, value, _) in entries {
            if keys.contains(key.value) {
                values[key.value] = value
            } else {
                read.sink.error(
                    "\(what) has no key `\(read.clip(key.value))`", at: key.mark,
                    fix: read.suggestion(key.value, among: keys))
            }
        }
    }

    subscript(_ key: String) -> YAMLNode? { values[key] }

    /// The entries of a mapping with distinct text keys; nil, with a diagnostic, where `node` is no mapping.
    static func entries(
        _ node: YAMLNode, of what: String, _ read: ValueReader
    ) -> [(key: Marked<String>, value: YAMLNode, keyNode: YAMLNode)]? {
        guard case .mapping(let entries) = node.content else {
            if node.isNull {
                read.sink.missing(
                    "\(what) is empty", at: node.mark, fix: "write `key: value` lines below it")
            } else {
                read.sink.error(
                    "\(what) must be a mapping, found \(node.kind)", at: node.mark,
                    fix: "write `key: value` lines, or { key: value }")
            }
            return nil
        }
        var first: [String: Mark] = [:]
        var kept: [(Marked<String>, YAMLNode, YAMLNode)] = []
        for entry in entries {
            guard case .scalar(let scalar) = entry.key.content else {
                read.sink.error(
                    "a key must be text, found \(entry.key.kind)", at: entry.key.mark,
                    fix: "write `key: value`")
                continue
            }
            let key = Marked(scalar.text, entry.key.mark)
            if scalar.isPlain && scalar.text == "<<" {
                read.sink.error(
                    "merge keys (<<) are not supported", at: key.mark, fix: "write the keys out")
            } else if let earlier = first[key.value] {
                read.sink.error(
                    "the key `\(read.clip(key.value))` is given twice", at: key.mark,
                    fix: "remove one; the first is on line \(earlier.line)")
            } else {
                first[key.value] = key.mark
                kept.append((key, entry.value, entry.key))
            }
        }
        return kept
    }
}
