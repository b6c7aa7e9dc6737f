import MeshModel

/// Edges: their parties, and whether their transport can carry them.
struct EdgeChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    func run() {
        for edge in draft.paths.flatMap(\.edges) where parties(edge) { transport(edge) }
        repeated()
        TunnelChecks(draft, names, sink).run()
        clearWaysIn()
    }

    /// Whether both parties are known and different.
    private func parties(_ edge: DraftEdge) -> Bool {
        let fromKnown = names.isKnown(edge.from.value)
        if !fromKnown { names.reportUnknownParty(edge.from) }
        if names.service(edge.to.value) == nil {
            if names.node(edge.to.value) != nil {
                sink.error(
                    "an edge goes to a service, and `\(edge.to.value)` is a node", at: edge.to.mark,
                    fix: serviceOn(edge.to.value))
            } else {
                names.reportUnknownService(edge.to)
            }
            return false
        }
        if edge.from.value == edge.to.value {
            sink.error(
                "the edge goes from `\(edge.to.value)` to itself", at: edge.to.mark,
                fix: "name two parties, or remove it")
            return false
        }
        return fromKnown
    }

    private func serviceOn(_ node: String) -> String {
        if sink.isFull { return "" }
        let services = draft.services.filter { $0.node?.value == node }.map(\.name.value)
        if services.isEmpty { return "define a service on `\(node)` and name that" }
        return "name a service on it: " + services.prefix(8).joined(separator: ", ")
    }

    private func transport(_ edge: DraftEdge) {
        guard let via = edge.via, let from = names.owner(edge.from.value),
            let to = names.owner(edge.to.value)
        else { return }
        let isOneHost = from.name.value == to.name.value
        if via.value == .local {
            local(edge, via, from, to)
        } else if isOneHost && (via.value == .wireguard || via.value == .ssh) {
            sink.error(
                "\(via.value.rawValue) cannot carry an edge within one node: both ends are on"
                    + " `\(from.name.value)`", at: via.mark, fix: "use local")
        } else if via.value == .ssh {
            agent(edge, via, from, "start the tunnel", "from")
            agent(edge, via, to, "take the tunnel", "to")
        } else if !isOneHost {
            listensBeyondLoopback(edge, via)
        }
    }

    private func local(
        _ edge: DraftEdge, _ via: Marked<Transport>, _ from: DraftNode, _ to: DraftNode
    ) {
        if from.name.value != to.name.value {
            sink.error(
                "a local edge stays on one host, and this one goes from `\(from.name.value)` to"
                    + " `\(to.name.value)`", at: via.mark, fix: "use wireguard or ssh")
        } else if !from.isManaged {
            sink.warning(
                "nobody can look at a local edge on the unmanaged node `\(from.name.value)`: it stays"
                    + " unproven", at: via.mark, fix: "make the node managed, or leave the edge out"
            )
        }
    }

    private func agent(
        _ edge: DraftEdge, _ via: Marked<Transport>, _ node: DraftNode, _ deed: String,
        _ side: String
    ) {
        if node.isManaged { return }
        let party = side == "from" ? edge.from : edge.to
        sink.error(
            "ssh needs an agent to \(deed), and `\(node.name.value)` is unmanaged", at: party.mark,
            fix: "use wireguard, or make `\(node.name.value)` managed")
    }

    private func listensBeyondLoopback(_ edge: DraftEdge, _ via: Marked<Transport>) {
        guard let service = names.service(edge.to.value), let bind = service.bind,
            bind.value.isWithinHost
        else { return }
        let place = bind.value.isUnix ? "on a unix socket" : "on loopback only"
        sink.error(
            "`\(edge.to.value)` listens \(place), where \(via.value.rawValue) does not reach it",
            at: via.mark, fix: "use ssh, or give the service `bind: mesh`")
    }

    /// The same edge may be part of several paths, but it is carried in one way.
    private func repeated() {
        var first: [String: (edge: DraftEdge, path: Int)] = [:]
        for (position, path) in draft.paths.enumerated() {
            for edge in path.edges {
                guard let earlier = first[edge.id] else {
                    first[edge.id] = (edge, position)
                    continue
                }
                let line = earlier.edge.mark.line
                if earlier.path == position {
                    sink.error(
                        "the edge \(edge.id) is already in this path", at: edge.mark,
                        fix: "remove one; the first is on line \(line)")
                } else if let via = edge.via, let other = earlier.edge.via,
                    via.value != other.value
                        || edge.options.mapValues(\.value)
                            != earlier.edge.options.mapValues(\.value)
                {
                    sink.error(
                        "the edge \(edge.id) is carried in another way than on line \(line)",
                        at: via.mark, fix: "give both the same transport and options")
                }
            }
        }
    }

    /// A service that is only ever reached by tunnel or locally has no business on other addresses.
    private func clearWaysIn() {
        var tunnelled: Set<String> = []
        var reachedOtherwise: Set<String> = []
        for edge in draft.paths.flatMap(\.edges) {
            switch edge.via?.value {
            case .ssh: tunnelled.insert(edge.to.value)
            case .local: break
            default: reachedOtherwise.insert(edge.to.value)
            }
        }
        for service in draft.services {
            let name = service.name.value
            guard tunnelled.contains(name), !reachedOtherwise.contains(name),
                !(service.bind?.value ?? .any).isWithinHost
            else { continue }
            sink.warning(
                "`\(name)` is reached by ssh only, and listens on more than loopback: a clear way"
                    + " in stays open", at: service.bind?.mark ?? service.name.mark,
                fix: "add `bind: loopback`, and make the service listen there only")
        }
    }
}

extension Service.Bind {
    /// Whether nobody outside the host can connect.
    var isWithinHost: Bool {
        switch self {
        case .loopback, .unix: true
        case .address(let address): address.isLoopback
        case .any, .mesh: false
        }
    }

    /// Whether it is a unix socket.
    var isUnix: Bool {
        if case .unix = self { return true }
        return false
    }
}
