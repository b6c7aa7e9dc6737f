public import MeshModel
package import NodeProtocol

/// One edge that goes by SSH, as its two nodes say.
public struct TunnelStatus: Codable, Sendable, Equatable {
    /// How the tunnel is.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// The session stands and applications can come in.
        case up
        /// A session is being made.
        case connecting
        /// The server refuses us, or we refuse the server.
        case refused
        /// An entrance cannot be had.
        case blocked
        /// The node where it begins has no such tunnel: `up` is needed.
        case missing
        /// The node where it begins could not be asked.
        case unknown
    }

    /// The edge, `webui->postgres`.
    public var edge: String
    /// The node where it begins.
    public var from: String
    /// The node where it ends.
    public var to: String
    /// How it is.
    public var state: State
    /// Seconds that it has been so, by the node's own clock; nil where that is not known.
    public var age: Double?
    /// What the node told, or nil where it has no such tunnel or could not be asked.
    public var observed: ObservedTunnel?
    /// What is wrong with it now, at either end.
    public var problems: [TunnelProblem]

    /// Puts together what both ends of every edge by SSH say. Pure.
    package static func list(
        _ topology: Topology, reports: [String: NodeReport]
    ) -> [TunnelStatus] {
        let index = PartyIndex(topology)
        var seen: Set<String> = []
        return topology.edges.compactMap { edge -> TunnelStatus? in
            guard edge.via == .ssh, seen.insert(edge.id).inserted,
                let from = index.owner(of: edge.from), let to = index.owner(of: edge.to)
            else { return nil }
            return TunnelStatus(
                edge: edge.id, from: from, to: to, near: reports[from], far: reports[to])
        }
    }

    private init(edge: String, from: String, to: String, near: NodeReport?, far: NodeReport?) {
        self.edge = edge
        self.from = from
        self.to = to
        observed = near?.observed.tunnels.first { $0.tunnel.edge == edge }
        switch observed?.state {
        case .up: state = .up
        case .connecting: state = .connecting
        case .refused: state = .refused
        case .blocked: state = .blocked
        case nil: state = near == nil ? .unknown : .missing
        }
        if let near, let observed { age = max(0, near.observed.observedAt - observed.since) }
        problems = observed?.problems ?? []
        if state != .up, let problem = far?.observed.tunnelServer?.problem {
            problems.append(problem)
        }
    }
}
