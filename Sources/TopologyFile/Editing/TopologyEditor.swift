import MeshModel

extension TopologyFile {
    /// Makes edits in the operator's file: comments, order, quoting and style of all the rest stay byte for byte.
    ///
    /// The edits are made on the source itself, at the places that the YAML parser gives. The result is parsed again,
    /// and must be exactly the former topology with the edits made, else nothing is given.
    ///
    /// - Parameter edits: made in this order, as one; only the last result is checked.
    /// *Throws:* ``TopologyEditError``
    public static func edit(
        _ bytes: [UInt8], name: String, _ edits: [TopologyEdit]
    ) throws(TopologyEditError) -> EditedTopology {
        let before = parse(bytes, name: name)
        guard let former = before.topology else { throw .invalid(before.errors) }
        var edited = bytes
        for edit in edits {
            do throws(CollectionEditor.Refusal) {
                edited = try TopologyEditor(edited).make(edit)
            } catch {
                throw refusal(
                    edits, line: SourceLines(edited).number(of: error.place), error.reason)
            }
        }
        let wanted = edits.reduce(former) { $1.applied(to: $0) }
        let after = parse(edited, name: name)
        guard let topology = after.topology else {
            // Either the wanted topology is a bad one, or the edit went wrong: what is wanted, written anew, tells.
            let text = TopologyFile.text(of: wanted)
            let errors = parse(Array(text.utf8), name: name).errors
            if !errors.isEmpty { throw .invalid(after.errors) }
            throw refusal(
                edits, line: after.errors.first?.line ?? 1,
                "anchors or aliases make it mean something else")
        }
        guard topology == wanted else {
            throw refusal(edits, line: 1, "the edit would change more than that, through an anchor")
        }
        return EditedTopology(bytes: edited, topology: topology)
    }

    private static func refusal(
        _ edits: [TopologyEdit], line: Int, _ reason: String
    ) -> TopologyEditError {
        .refused(.init(line: line, reason: reason, byHand: edits.map(\.byHand)))
    }
}

/// One edit of one version of the file.
struct TopologyEditor {
    private let lines: SourceLines
    private let root: SourceNode
    private let editor: CollectionEditor

    init(_ bytes: [UInt8]) throws(CollectionEditor.Refusal) {
        lines = SourceLines(bytes)
        editor = CollectionEditor(lines: lines)
        guard let root = SourceComposer.compose(bytes) else {
            throw CollectionEditor.Refusal(place: 0, reason: "it is not valid YAML")
        }
        self.root = root
    }

    func make(_ edit: TopologyEdit) throws(CollectionEditor.Refusal) -> [UInt8] {
        lines.applying(try changes(edit))
    }

    private func changes(
        _ edit: TopologyEdit
    ) throws(CollectionEditor.Refusal) -> [SourceLines.Change] {
        switch edit {
        case .addNode(let node):
            let nodes = try section("nodes")
            let isBlock = nodes.entries?.last.map { Self.isBlock($0.value) } ?? false
            return try editor.add(
                TopologyText.field(node, isFlow: !isBlock), to: nodes, step: step(in: nodes))
        case .addEdge(let edge, let path):
            return try add(edge, to: path)
        case .setPublicKey(let key, let name):
            let node = try member(name, of: try section("nodes"))
            return try editor.add(
                .init("public_key", .scalar(key.description)), to: node, step: "  ")
        case .removeNode(let name):
            return try remove(["nodes", name])
        case .removeService(let name):
            let service = try remove(["services", name])
            guard root["lab"]?["services"]?[name] != nil else { return service }
            return try service + remove(["lab", "services", name])
        case .removeEdge(let from, let to, let path):
            return try removeEdge(from, to, path)
        case .removeForbidden(let pair):
            let forbid = try section("forbid")
            guard
                let position = forbid.items?.firstIndex(where: {
                    Self.isArrow($0.text, pair.from, pair.to)
                })
            else { throw missing("\(pair.from) -> \(pair.to)", in: forbid) }
            if forbid.items?.count == 1 { return try remove(["forbid"]) }
            return try editor.removeItem(position, from: forbid)
        }
    }

    // MARK: Places

    private func section(_ name: String) throws(CollectionEditor.Refusal) -> SourceNode {
        try member(name, of: root)
    }

    private func member(
        _ name: String, of node: SourceNode
    ) throws(CollectionEditor.Refusal) -> SourceNode {
        guard let found = node[name] else { throw missing(name, in: node) }
        return found
    }

    private func missing(_ name: String, in node: SourceNode) -> CollectionEditor.Refusal {
        var reason = "`\(name)` does not stand here itself"
        if case .alias = node.content { reason += ": this is an alias" }
        return CollectionEditor.Refusal(place: node.span.lowerBound, reason: reason)
    }

    private static func isBlock(_ node: SourceNode) -> Bool {
        node.entries?.isEmpty == false && node.style == .block
    }

    /// Whether a key or an item is `from -> to`, however it is spaced.
    private static func isArrow(_ text: String?, _ from: String, _ to: String) -> Bool {
        guard let text, let arrow = text.firstRange(of: "->") else { return false }
        return text[..<arrow.lowerBound].trimmingBlanks == from
            && text[arrow.upperBound...].trimmingBlanks == to
    }

    /// By how much what is in a mapping's fields is indented: as the neighbours have it, else two spaces.
    private func step(in node: SourceNode) -> String {
        for entry in node.entries ?? [] {
            guard Self.isBlock(entry.value), let inner = entry.value.entries?.first,
                let outer = lines.indentation(before: entry.key.span.lowerBound),
                let deeper = lines.indentation(before: inner.key.span.lowerBound),
                deeper.hasPrefix(outer), deeper.utf8.count > outer.utf8.count
            else { continue }
            return String(deeper.dropFirst(outer.count))
        }
        return "  "
    }

    // MARK: Edges

    private func add(
        _ edge: Edge, to name: String
    ) throws(CollectionEditor.Refusal) -> [SourceLines.Change] {
        let item = TopologyText.item(edge)
        guard let paths = root["paths"] else {
            let isFlow = root.style == .flow
            let path = YAMLValue.map([path(name, item, isFlow: isFlow)], isFlow: isFlow)
            let position = root.position(of: "services") ?? root.position(of: "nodes")
            return try editor.add(
                .init("paths", path), to: root, after: position, step: step(in: root))
        }
        guard let path = paths[name] else {
            let isFlow = paths.entries?.last.map { !Self.isBlock($0.value) } ?? false
            return try editor.add(
                self.path(name, item, isFlow: isFlow), to: paths, step: step(in: paths))
        }
        return try editor.add(item, to: try member("edges", of: path))
    }

    private func path(_ name: String, _ item: YAMLValue, isFlow: Bool) -> YAMLValue.Field {
        .init(name, .map([.init("edges", .list([item], isFlow: isFlow))], isFlow: isFlow))
    }

    private func removeEdge(
        _ from: String, _ to: String, _ name: String
    ) throws(CollectionEditor.Refusal) -> [SourceLines.Change] {
        let path = try member(name, of: try section("paths"))
        let edges = try member("edges", of: path)
        let items = edges.items ?? []
        for (position, item) in items.enumerated() {
            let keys = item.entries?.map(\.key.text) ?? []
            guard let inner = keys.firstIndex(where: { Self.isArrow($0, from, to) }) else {
                continue
            }
            if keys.count > 1 { return try editor.remove(inner, from: item) }
            if items.count == 1 { return try remove(["paths", name]) }
            return try editor.removeItem(position, from: edges)
        }
        throw missing("\(from) -> \(to)", in: edges)
    }

    // MARK: Taking away

    /// Takes out the field at a path of keys; a section that it leaves empty goes too, unless a comment would go with it.
    private func remove(
        _ keys: [String]
    ) throws(CollectionEditor.Refusal) -> [SourceLines.Change] {
        var parents = [root]
        for key in keys.dropLast() {
            parents.append(try member(key, of: parents[parents.count - 1]))
        }
        let parent = parents[parents.count - 1]
        guard let position = parent.position(of: keys[keys.count - 1]) else {
            throw missing(keys[keys.count - 1], in: parent)
        }
        // Within braces nothing can stand for nothing.
        if keys.count > 1, parents[parents.count - 2].style == .flow, editor.isPadded(parent) {
            return try remove(keys.dropLast())
        }
        let changes = try editor.remove(position, from: parent)
        guard keys.count > 1, parent.entries?.count == 1, parent.style == .block,
            let change = changes.first, changes.count == 1
        else { return changes }
        let grand = parents[parents.count - 2]
        let key = keys[keys.count - 2]
        guard let above = grand.position(of: key), let entry = grand.entries?[above] else {
            return changes
        }
        let start = lines.start(of: entry.key.span.lowerBound)
        let hasComment = lines.mayHoldComment(start..<change.range.lowerBound)
        return hasComment ? changes : try remove(keys.dropLast())
    }
}

extension StringProtocol {
    /// Without what a terminal does not show at both ends.
    var trimmingBlanks: String {
        let scalars = unicodeScalars.drop { $0.value <= 32 }
        guard let last = scalars.lastIndex(where: { $0.value > 32 }) else { return "" }
        return String(String.UnicodeScalarView(scalars[...last]))
    }
}
