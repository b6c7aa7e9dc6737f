public import MeshModel

extension TopologyFile {
    /// Reads a node from the values of its keys, by the same rules as in a file: for command lines.
    ///
    /// *Returns:* the node, or nil with all that is wrong with it; mistakes that only show beside other nodes are not
    /// among them.
    public static func node(
        _ name: String, fields: [(key: String, values: [String])]
    ) -> (node: Node?, mistakes: [Diagnostic]) {
        let sink = DiagnosticSink(file: name)
        let read = ValueReader(sink: sink)
        func scalar(_ text: String) -> YAMLNode {
            YAMLNode(
                content: .scalar(.init(text: text, isPlain: false)), mark: .start, weight: 1)
        }
        let entries = fields.map { key, values in
            let value =
                values.count == 1
                ? scalar(values[0])
                : YAMLNode(content: .sequence(values.map(scalar)), mark: .start, weight: 1)
            return YAMLNode.Entry(key: scalar(key), value: value)
        }
        let marked = Marked(name, Mark.start)
        read.label(marked, "the node name")
        let draft = NodeReader(read: read).node(
            marked, YAMLNode(content: .mapping(entries), mark: .start, weight: 1))
        return (sink.hasErrors ? nil : draft.node, sink.sorted())
    }
}
