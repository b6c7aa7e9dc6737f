import MeshModel

/// The operator's `topology.yaml`: text in, a checked ``Topology`` or all of its mistakes out.
///
/// Three layers, each in its folder: `YAML` turns bytes into a tree with places, `Reading` turns the tree into
/// typed values, `Checks` looks at what they mean together. Each says all it can before the next begins.
public enum TopologyFile {
    /// The largest file that is read. *Units:* bytes. A mesh of 5,000 nodes is about a third of it.
    public static let sizeLimit = 1 << 20

    /// Parses and checks a topology. It reads nothing but `bytes`, and takes bounded time for any of them.
    ///
    /// *Shape:* UTF-8 YAML 1.1, one document; `name` is the file's name in the diagnostics.
    public static func parse(_ bytes: [UInt8], name: String) -> ParseOutcome {
        let sink = DiagnosticSink(file: name)
        guard let text = SourceText(bytes, sink), let tree = YAMLComposer.compose(text, sink) else {
            return ParseOutcome(topology: nil, diagnostics: sink.sorted())
        }
        let draft = TopologyReader(sink).read(tree)
        guard let draft, !sink.isTruncated else {
            return ParseOutcome(topology: nil, diagnostics: sink.sorted())
        }
        DraftChecks(draft, sink).run()
        let topology = sink.hasErrors ? nil : draft.topology()
        return ParseOutcome(topology: topology, diagnostics: sink.sorted())
    }
}
