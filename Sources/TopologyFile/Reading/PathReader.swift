import MeshModel

/// Reads one entry of `paths:`, and `forbid:`.
struct PathReader {
    let read: ValueReader

    func path(_ name: Marked<String>, _ body: YAMLNode) -> DraftPath {
        var path = DraftPath(name)
        let what = "the path `\(read.clip(name.value))`"
        guard let fields = Fields(body, of: what, keys: ["carries", "edges"], read) else {
            return path
        }
        if let value = fields["carries"] {
            path.carries = read.items(value).compactMap { read.text($0, "what is carried")?.value }
        }
        guard let edges = fields["edges"] else {
            read.sink.missing(
                "\(what) has no edges", at: name.mark,
                fix: "add `edges:` with `- from -> to: wireguard`")
            return path
        }
        guard case .sequence(let items) = edges.content else {
            read.sink.error(
                "`edges` must be a list, found \(edges.kind)", at: edges.mark,
                fix: "write each edge on its own line as `- from -> to: wireguard`")
            return path
        }
        if items.isEmpty {
            read.sink.error(
                "\(what) has no edges", at: edges.mark, fix: "add `- from -> to: wireguard`")
        }
        path.edges = items.flatMap(EdgeReader(read: read).edges)
        return path
    }

    func forbidden(_ node: YAMLNode) -> [DraftForbidden] {
        if node.isNull { return [] }
        guard case .sequence(let items) = node.content else {
            read.sink.error(
                "`forbid` must be a list, found \(node.kind)", at: node.mark,
                fix: "write each pair on its own line as `- from -> to`")
            return []
        }
        return items.compactMap { item in
            guard let text = read.text(item, "`from -> to`"),
                let (from, to) = Arrow(read: read).parties(text, item)
            else { return nil }
            return DraftForbidden(from: from, to: to)
        }
    }
}

/// Takes `from -> to` apart, with the place of each name.
struct Arrow {
    let read: ValueReader

    func parties(_ text: Marked<String>, _ node: YAMLNode) -> (Marked<String>, Marked<String>)? {
        let scalars = Array(text.value.unicodeScalars)
        let arrows = scalars.indices.dropLast().filter {
            scalars[$0] == "-" && scalars[$0 + 1] == ">"
        }
        let clipped = read.clip(text.value)
        guard let arrow = arrows.first else {
            read.sink.error(
                "`\(clipped)` is not `from -> to`", at: text.mark,
                fix: "write two names with -> between them")
            return nil
        }
        if arrows.count > 1 {
            read.sink.error(
                "`\(clipped)` goes over more than one step", at: text.mark,
                fix: "write one edge for each step")
            return nil
        }
        let from = party(scalars[..<arrow], node)
        let to = party(scalars[(arrow + 2)...], node)
        guard let from, let to else {
            read.sink.error(
                "`\(clipped)` lacks a name on one side of ->", at: text.mark,
                fix: "write `from -> to`")
            return nil
        }
        return (from, to)
    }

    private func party(
        _ part: ArraySlice<Unicode.Scalar>, _ node: YAMLNode
    ) -> Marked<String>? {
        func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar.value <= 32 }
        let trimmed = part.drop(while: isBlank)
        guard let last = trimmed.lastIndex(where: { !isBlank($0) }) else { return nil }
        var name = ""
        name.unicodeScalars.append(contentsOf: trimmed[...last])
        return Marked(name, node.place(trimmed.startIndex))
    }
}
