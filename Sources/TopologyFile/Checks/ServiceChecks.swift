import MeshModel

/// Services: where they are, what they clash with, and how they are run in a rehearsal.
struct ServiceChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    func run() {
        for service in draft.services {
            if let node = service.node, names.node(node.value) == nil {
                names.reportUnknownNode(node)
            }
        }
        distinctPorts()
        lab()
    }

    /// Two programs cannot listen at one place.
    private func distinctPorts() {
        struct Place: Hashable {
            var node: String
            var port: UInt16
            var socket: String?
        }
        var listeners: [Place: [DraftService]] = [:]
        for service in draft.services {
            guard let node = service.node?.value, let port = service.effectivePort else { continue }
            var place = Place(node: node, port: port)
            if case .unix(let path) = service.bind?.value { place.socket = path }
            let others = listeners[place, default: []]
            if let other = others.first(where: { clash($0, service) }) {
                let what = place.socket.map { "the socket \($0)" } ?? "port \(port)"
                sink.error(
                    "\(what) on `\(node)` is already taken by `\(other.name.value)`",
                    at: service.port?.mark ?? service.bind?.mark ?? service.name.mark,
                    fix: "give one of the two another port or bind address")
            }
            // A handful of places on one port is plenty; more could only make this slow.
            if others.count < 8 { listeners[place, default: []].append(service) }
        }
    }

    private func clash(_ one: DraftService, _ other: DraftService) -> Bool {
        let binds = [one.bind?.value ?? .any, other.bind?.value ?? .any].map(normal)
        return binds[0] == binds[1] || binds.contains(.any)
    }

    private func normal(_ bind: Service.Bind) -> Service.Bind {
        if case .address(let address) = bind, address.isLoopback { return .loopback }
        return bind
    }

    private func lab() {
        for entry in draft.lab {
            guard let service = names.service(entry.name.value) else {
                names.reportUnknownService(entry.name)
                continue
            }
            if let node = service.node.flatMap({ names.node($0.value) }), !node.isManaged {
                sink.error(
                    "`\(entry.name.value)` is on the unmanaged node `\(node.name.value)`, which is no"
                        + " host in the lab", at: entry.name.mark, fix: "remove it from `lab`")
            }
        }
    }
}
