import MeshModel

/// Agents ask each other for changes at a TCP port of their overlay addresses: nothing else may have it.
struct MailChecks {
    private let draft: Draft
    private let names: DraftNames
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ names: DraftNames, _ sink: DiagnosticSink) {
        self.draft = draft
        self.names = names
        self.sink = sink
    }

    func run() {
        let port = draft.mesh?.port?.value ?? Mesh.defaultPort
        for service in draft.services {
            guard service.effectivePort == port, takesOverlay(service),
                let node = service.node.flatMap({ names.node($0.value) }), node.isManaged
            else { continue }
            sink.error(
                "TCP port \(port) of `\(node.name.value)`'s overlay address is the agents', which ask each"
                    + " other there", at: service.port?.mark ?? service.name.mark,
                fix:
                    "give `\(service.name.value)` another port, or `bind: loopback`, or the mesh another"
                    + " `port`")
        }
        let tunnelPort = draft.mesh?.tunnelPort?.value ?? Mesh.defaultTunnelPort
        let hasTunnels = draft.paths.contains { $0.edges.contains { $0.via?.value == .ssh } }
        if hasTunnels, tunnelPort == port,
            let mark = draft.mesh?.tunnelPort?.mark ?? draft.mesh?.port?.mark
        {
            sink.error(
                "the mesh and its tunnel servers have one port, \(port), and agents ask each other at the"
                    + " mesh's by TCP", at: mark,
                fix: "give the mesh another `port` or `tunnel_port`")
        }
    }

    private func takesOverlay(_ service: DraftService) -> Bool {
        switch service.bind?.value ?? .any {
        case .any, .mesh: true
        case .loopback, .unix: false
        case .address(let address):
            draft.mesh?.networks.contains { $0.value.contains(address) } ?? false
        }
    }
}
