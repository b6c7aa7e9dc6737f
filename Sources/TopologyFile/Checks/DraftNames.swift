/// Finds nodes and services by name, and reports names that nothing has.
struct DraftNames {
    private let draft: Draft
    private let read: ValueReader
    private let nodes: [String: DraftNode]
    private let services: [String: DraftService]

    init(_ draft: Draft, _ sink: DiagnosticSink) {
        self.draft = draft
        read = ValueReader(sink: sink)
        nodes = Dictionary(
            draft.nodes.map { ($0.name.value, $0) }, uniquingKeysWith: { first, _ in first })
        services = Dictionary(
            draft.services.map { ($0.name.value, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func node(_ name: String) -> DraftNode? { nodes[name] }
    func service(_ name: String) -> DraftService? { services[name] }

    /// The node that a party is, where it is known.
    func owner(_ party: String) -> DraftNode? {
        if let service = services[party] { return service.node.flatMap { nodes[$0.value] } }
        return nodes[party]
    }

    func isKnown(_ party: String) -> Bool { nodes[party] != nil || services[party] != nil }

    /// An edge names its parties by one name: a node and a service must not share it.
    func checkDistinct() {
        for service in draft.services {
            guard let node = nodes[service.name.value] else { continue }
            read.sink.error(
                "the service `\(read.clip(service.name.value))` has the same name as a node",
                at: service.name.mark,
                fix: "rename one of them; the node is on line \(node.name.mark.line)")
        }
    }

    func reportUnknownNode(_ name: Marked<String>) {
        report("node", name, draft.nodes.map(\.name.value))
    }

    func reportUnknownService(_ name: Marked<String>) {
        report("service", name, draft.services.map(\.name.value))
    }

    func reportUnknownParty(_ name: Marked<String>) {
        report(
            "node or service", name,
            (draft.services.map(\.name) + draft.nodes.map(\.name)).map(\.value))
    }

    private func report(_ what: String, _ name: Marked<String>, _ candidates: [String]) {
        if read.sink.isFull { return read.sink.error("", at: name.mark, fix: nil) }
        read.sink.error(
            "there is no \(what) `\(read.clip(name.value))`", at: name.mark,
            fix: read.suggestion(name.value, among: candidates))
    }
}
