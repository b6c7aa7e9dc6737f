import MeshModel
import NodeProtocol

/// Whether the guard that a document wants is this node's, within bounds, and locks nobody out.
struct GuardCheck {
    private let document: NodeDocument

    /// More than any node has; what is above is a mistake or an attack.
    private static let flowLimit = 200_000
    private static let portLimit = 2_000

    init(_ document: NodeDocument) {
        self.document = document
    }

    func run() throws(ProtocolError) {
        guard let wanted = document.guard else { return }
        guard wanted.admitted.count <= Self.flowLimit, wanted.reachable.count <= Self.flowLimit,
            wanted.shielded.count <= Self.portLimit
        else { throw invalid("it is too large") }
        for interface in document.interfaces {
            guard Set(interface.addresses.map(\.address)) == Set(wanted.addresses),
                Set(interface.networks) == Set(wanted.networks)
            else { throw invalid("it is for other addresses than \(interface.name) has") }
        }
        guard wanted.networks.count <= 2,
            Set(wanted.networks.map(\.address.family)).count == wanted.networks.count
        else { throw invalid("it has two networks of one family") }
        let isOverlay = { (address: IPAddress) in
            wanted.networks.contains { $0.contains(address) }
        }
        for flow in wanted.admitted {
            guard flow.port != 0, flow.from.family == flow.to.family, isOverlay(flow.from),
                isOverlay(flow.to)
            else { throw invalid("it lets in \(flow.from) to \(flow.to) port \(flow.port)") }
        }
        if let place = wanted.reachable.first(where: { $0.port == 0 || !isOverlay($0.address) }) {
            throw invalid("it lets containers reach \(place)")
        }
        guard wanted.managementPort != 0 else { throw invalid("management has port 0") }
        try checkShield(wanted)
    }

    /// What a node is managed and meshed by must stay reachable, whatever a controller says.
    private func checkShield(_ wanted: DesiredGuard) throws(ProtocolError) {
        var spared: Set = [ShieldedPort(.tcp, Ownership.sshPort)]
        if let server = document.tunnelServer { spared.insert(ShieldedPort(.tcp, server.port)) }
        spared.formUnion(document.interfaces.map { ShieldedPort(.udp, $0.listenPort) })
        for port in wanted.shielded {
            guard port.port != 0, !spared.contains(port) else {
                throw invalid("it closes \(port.kind.rawValue) port \(port.port)")
            }
        }
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, "the guard: \(message)")
    }
}
