package import MeshModel

/// Where this node's WireGuard devices say that their peers are.
package struct LearntEndpoints: Sendable {
    private var remote: Set<SocketEndpoint> = []
    /// Machines of which at least one endpoint is known.
    private var known: Set<String> = []
    private var ports: Set<UInt16> = []
    private let node: String

    /// Gathers them from interfaces as they were when a capture began, and when it ended: a peer may have moved between.
    package init(_ interfaces: [ObservedInterface], _ order: WitnessOrder) {
        node = order.node
        var owners: [IPAddress: [String]] = [:]
        for host in order.hosts {
            for address in host.underlay { owners[address, default: []].append(host.node) }
        }
        for device in interfaces.compactMap(\.device) {
            ports.insert(device.listenPort)
            for endpoint in device.peers.compactMap(\.endpoint) {
                remote.insert(endpoint)
                known.formUnion(owners[endpoint.address] ?? [])
            }
        }
    }

    /// Whether a flow has exactly a peer's endpoint and our port; also where no endpoint of the other machine is known
    /// yet, or the flow only passes by: then the order alone decides.
    package func admits(_ flow: WireFlow) -> Bool {
        guard let source = flow.source, let destination = flow.destination else { return false }
        let (own, far, name) =
            flow.from == node ? (source, destination, flow.to) : (destination, source, flow.from)
        guard flow.from == node || flow.to == node, known.contains(name) else { return true }
        return remote.contains(far) && ports.contains(own.port)
    }
}
