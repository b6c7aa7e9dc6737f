import MeshModel

/// Whether every peering can come about: a hub that can be one, and an endpoint on one side at least.
struct PeeringChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    func run() {
        guard let mesh = draft.mesh else { return }
        switch mesh.peering?.value ?? .paths {
        case .paths: paths()
        case .full: full()
        case .hub(let name):
            if let peering = mesh.peering { hub(Marked(name, peering.mark)) }
        }
    }

    private func hub(_ name: Marked<String>) {
        guard let node = names.node(name.value) else {
            if let service = names.service(name.value) {
                sink.error(
                    "the hub `\(name.value)` is a service", at: name.mark,
                    fix: service.node.map { "name its node: `\($0.value)`" } ?? "name a node")
            } else {
                names.reportUnknownNode(name)
            }
            return
        }
        if !node.isManaged {
            sink.error(
                "the hub `\(name.value)` is unmanaged: it cannot be told to route between the others",
                at: name.mark, fix: "choose a managed node")
        }
        if node.endpointMark == nil {
            sink.error(
                "the hub `\(name.value)` has no endpoint: nobody can reach it", at: name.mark,
                fix: "give it `endpoint: HOST`, or choose another hub")
        }
    }

    private func full() {
        let hidden = draft.nodes.filter { $0.endpointMark == nil }
        guard let first = hidden.first else { return }
        for node in hidden.dropFirst() { report(node, first, at: node.name.mark, "in a full mesh") }
    }

    private func paths() {
        var seen: Set<Set<String>> = []
        for edge in draft.paths.flatMap(\.edges) {
            let isOverMesh = edge.via?.value == .ssh && edge.options["over"]?.value == "mesh"
            guard edge.via?.value == .wireguard || isOverMesh,
                let from = names.owner(edge.from.value), let to = names.owner(edge.to.value),
                from.name.value != to.name.value, from.endpointMark == nil, to.endpointMark == nil,
                seen.insert([from.name.value, to.name.value]).inserted
            else { continue }
            report(from, to, at: edge.mark, "for the edge \(edge.id)")
        }
        // A tunnel over the underlay needs a way to its far end as well.
        for edge in draft.paths.flatMap(\.edges) where edge.via?.value == .ssh {
            guard edge.options["over"]?.value != "mesh", let from = names.owner(edge.from.value),
                let to = names.owner(edge.to.value), from.name.value != to.name.value,
                to.isManaged, to.endpointMark == nil
            else { continue }
            sink.error(
                "the tunnel \(edge.id) has nowhere to go: `\(to.name.value)` has no endpoint",
                at: edge.mark,
                fix:
                    "give `\(to.name.value)` an `endpoint: HOST`, or the edge { via: ssh, over: mesh }"
            )
        }
    }

    private func report(_ one: DraftNode, _ other: DraftNode, at mark: Mark, _ why: String) {
        sink.error(
            "`\(one.name.value)` and `\(other.name.value)` must be peers \(why), and neither has an"
                + " endpoint", at: mark,
            fix: "give one of them `endpoint: HOST`, or use `peering: { hub: NODE }`")
    }
}
