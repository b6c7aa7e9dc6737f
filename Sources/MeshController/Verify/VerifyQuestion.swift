public import MeshModel

/// What a run of `verify` is to look at.
public struct VerifyQuestion: Sendable {
    /// Only edges of these paths; empty for all.
    public var paths: [String] = []
    /// Only these edges, `webui->ollama`; empty for all.
    public var edges: [String] = []
    /// What every edge has to reach.
    public var required: EvidenceLevel = .observed
    /// Watch real traffic for so long instead of probing. *Units:* seconds.
    public var passive: Double?
    /// Which topology it is.
    public var topology: TopologyReference

    /// Asks for everything.
    public init(topology: TopologyReference) { self.topology = topology }

    /// Whether all of the topology is asked for, `forbid` lines too.
    var isWhole: Bool { paths.isEmpty && edges.isEmpty }

    /// The edges that are asked for.
    ///
    /// *Throws:* ``ControllerError`` `usage` for a name that is none, with the nearest that is.
    func select(_ cases: [EdgeCase]) throws(ControllerError) -> [EdgeCase] {
        let known = Set(cases.flatMap(\.paths))
        for path in paths where !known.contains(path) {
            throw Self.unknown("path", path, among: known.sorted())
        }
        for edge in edges where !cases.contains(where: { $0.id == edge }) {
            throw Self.unknown("edge", edge, among: cases.map(\.id))
        }
        return cases.filter { edge in
            (paths.isEmpty || edge.paths.contains(where: paths.contains))
                && (edges.isEmpty || edges.contains(edge.id))
        }
    }

    private static func unknown(
        _ what: String, _ name: String, among names: [String]
    ) -> ControllerError {
        let near = NearestName.find(name, among: names)
        return ControllerError(
            .usage, "the topology has no \(what) \(name)",
            hint: near.map { "did you mean '\($0)'?" } ?? "there are: "
                + names.prefix(8).joined(separator: ", "))
    }
}
