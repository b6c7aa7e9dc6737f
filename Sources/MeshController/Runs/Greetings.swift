import MeshModel

/// Who sends the first message of each peering's handshake.
///
/// One end alone: two that greet each other in the same moment drop each other's answer, and try again only after 5 s.
/// *Source:* section 6.1 (REKEY_TIMEOUT) and 5.4 of the WireGuard paper: taking an initiation in overwrites the state
/// of one's own.
struct Greetings: Sendable {
    private let byNode: [String: [String]]

    /// The end whose name sorts first greets, unless only the other one knows where to send to; where neither knows, a
    /// greeting goes nowhere.
    init(_ peerings: Set<Peering>, in topology: Topology) {
        let reachable = Set(topology.nodes.filter { $0.endpoint != nil }.map(\.name))
        var byNode: [String: [String]] = [:]
        for pair in peerings.sorted() {
            if reachable.contains(pair.b) {
                byNode[pair.a, default: []].append(pair.b)
            } else if reachable.contains(pair.a) {
                byNode[pair.b, default: []].append(pair.a)
            }
        }
        self.byNode = byNode
    }

    /// The peers that a node is to greet.
    func of(_ node: String) -> [String] { byNode[node] ?? [] }
}
