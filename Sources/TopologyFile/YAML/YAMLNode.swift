/// A node of the YAML tree, with its place.
struct YAMLNode {
    enum Content {
        case scalar(Scalar)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    struct Scalar {
        let text: String
        /// Written without quotes, so that it may be a number, a boolean or nothing.
        let isPlain: Bool
    }

    struct Entry {
        let key: YAMLNode
        let value: YAMLNode
    }

    let content: Content
    let mark: Mark
    /// How many nodes there are in it, itself included; what an alias to it costs.
    let weight: Int

    /// The text, where this is a scalar that is not nothing.
    var text: String? {
        guard case .scalar(let scalar) = content, !isNull else { return nil }
        return scalar.text
    }

    /// Whether nothing is written here. *Source:* YAML 1.1, type `null`.
    var isNull: Bool {
        guard case .scalar(let scalar) = content, scalar.isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
    }

    /// Whether it is a scalar without quotes.
    var isPlain: Bool {
        guard case .scalar(let scalar) = content else { return false }
        return scalar.isPlain
    }

    /// What it is, in the operator's words.
    var kind: String {
        switch content {
        case .scalar: isNull ? "nothing" : "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The place `offset` characters into a scalar, where that can be told.
    func place(_ offset: Int) -> Mark {
        Mark(line: mark.line, column: mark.column + offset + (isPlain ? 0 : 1))
    }
}
