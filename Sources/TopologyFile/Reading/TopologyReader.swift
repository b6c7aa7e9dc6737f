import MeshModel

/// Reads the whole document: one section after the other, each reporting all it finds.
struct TopologyReader {
    private let read: ValueReader

    init(_ sink: DiagnosticSink) {
        read = ValueReader(sink: sink)
    }

    /// What could be read; nil where the document is not a topology at all.
    func read(_ root: YAMLNode) -> Draft? {
        let keys = ["mesh", "nodes", "services", "paths", "forbid", "lab"]
        guard let fields = Fields(root, of: "the topology", keys: keys, read) else { return nil }
        var draft = Draft()
        if let mesh = fields["mesh"] {
            draft.mesh = MeshReader(read: read).mesh(mesh)
        } else {
            read.sink.missing(
                "the topology has no `mesh`", at: root.mark,
                fix: "add `mesh: { name: homelab, network: 10.77.0.0/24 }`")
        }
        if let nodes = fields["nodes"] {
            let reader = NodeReader(read: read)
            draft.nodes = named(nodes, "nodes", "node name").map(reader.node)
            if draft.nodes.isEmpty, case .mapping = nodes.content {
                read.sink.missing(
                    "there are no nodes", at: nodes.mark, fix: "add at least one node")
            }
        } else {
            read.sink.missing(
                "the topology has no `nodes`", at: root.mark,
                fix: "add `nodes:` and a line like `edge: { connect: ssh://root@host }`")
        }
        if let services = fields["services"] {
            let reader = ServiceReader(read: read)
            draft.services = named(services, "services", "service name").map(reader.service)
        }
        if let paths = fields["paths"] {
            let reader = PathReader(read: read)
            draft.paths = named(paths, "paths", "path name").map(reader.path)
        }
        if let forbid = fields["forbid"] { draft.forbid = PathReader(read: read).forbidden(forbid) }
        if let lab = fields["lab"] { draft.lab = LabReader(read: read).services(lab) }
        return draft
    }

    /// The entries of a section, each name checked. A section with nothing in it is an empty one.
    private func named(
        _ node: YAMLNode, _ section: String, _ what: String
    ) -> [(name: Marked<String>, node: YAMLNode)] {
        if node.isNull && section != "nodes" { return [] }
        let entries = Fields.entries(node, of: "`\(section)`", read) ?? []
        for entry in entries { read.label(entry.key, "the \(what)") }
        return entries.map { ($0.key, $0.value) }
    }
}
