import MeshModel

/// Edges by SSH: where their tunnels begin, and the port where they end.
struct TunnelChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    /// A place on one node that one program can have.
    private struct Place: Hashable {
        var node: String
        var port: String = ""
        var socket: String = ""
    }

    /// Where a tunnel begins, and where that is written or follows from.
    private struct Entrance {
        var place: Place
        var text: String
        var mark: Mark
        var isChosen: Bool
    }

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    func run() {
        // An edge within one node, or to an unmanaged one, is a mistake already, and no tunnel.
        let edges = draft.paths.flatMap(\.edges).filter { edge in
            guard edge.via?.value == .ssh, let from = names.owner(edge.from.value),
                let to = names.owner(edge.to.value)
            else { return false }
            return from.name.value != to.name.value && from.isManaged && to.isManaged
        }
        let listeners = loopbackListeners()
        var first: [Place: DraftEdge] = [:]
        for edge in edges {
            guard let entrance = entrance(of: edge) else { continue }
            let place = entrance.place
            if let other = first[place], other.id != edge.id {
                clash(entrance, "is already the entrance of \(other.id)")
            } else if let service = listeners[place] {
                clash(entrance, "is the port of `\(service.name.value)`")
            }
            first[place] = first[place] ?? edge
        }
        serverPorts(edges, first)
    }

    private func entrance(of edge: DraftEdge) -> Entrance? {
        guard let node = names.owner(edge.from.value)?.name.value else { return nil }
        if let socket = edge.options["local_socket"] {
            return Entrance(
                place: Place(node: node, socket: socket.value),
                text: "local_socket \(socket.value) on `\(node)`", mark: socket.mark,
                isChosen: true)
        }
        if let port = edge.options["local_port"] {
            return Entrance(
                place: Place(node: node, port: port.value),
                text: "local_port \(port.value) on `\(node)`", mark: port.mark, isChosen: true)
        }
        guard let port = names.service(edge.to.value)?.effectivePort else { return nil }
        if port == 0 {
            sink.error(
                "`\(edge.to.value)` has no port that the tunnel could begin at on `\(node)`",
                at: edge.mark,
                fix: "write { via: ssh, local_port: PORT }, or local_socket: /path")
            return nil
        }
        return Entrance(
            place: Place(node: node, port: String(port)),
            text: "port \(port) on `\(node)`, where \(edge.id) begins,", mark: edge.mark,
            isChosen: false)
    }

    private func clash(_ entrance: Entrance, _ with: String) {
        let fix =
            entrance.isChosen
            ? "choose another" : "choose another: { via: ssh, local_port: PORT }"
        sink.error("\(entrance.text) \(with)", at: entrance.mark, fix: fix)
    }

    /// The tunnel server listens on every address of a node where a tunnel ends.
    private func serverPorts(_ edges: [DraftEdge], _ entrances: [Place: DraftEdge]) {
        let port = draft.mesh?.tunnelPort?.value ?? Mesh.defaultTunnelPort
        let ends = Set(edges.compactMap { names.owner($0.to.value)?.name.value })
        for service in draft.services {
            guard let node = service.node?.value, ends.contains(node),
                service.effectivePort == port
            else { continue }
            sink.error(
                "port \(port) on `\(node)` is the tunnel server's",
                at: service.port?.mark ?? service.name.mark,
                fix: "give the service another port, or the mesh another `tunnel_port`")
        }
        for (place, edge) in entrances where place.port == String(port) && ends.contains(place.node)
        {
            sink.error(
                "\(edge.id) would begin at port \(port) on `\(place.node)`, which is the tunnel"
                    + " server's", at: edge.mark, fix: "choose another `local_port`")
        }
    }

    /// Services that take a port of their node's loopback.
    private func loopbackListeners() -> [Place: DraftService] {
        var listeners: [Place: DraftService] = [:]
        for service in draft.services {
            guard let node = service.node?.value, let port = service.effectivePort, port != 0 else {
                continue
            }
            let bind = service.bind?.value ?? .any
            if bind == .any || bind.isWithinHost {
                listeners[Place(node: node, port: String(port))] = service
            }
        }
        return listeners
    }
}
