public import MeshModel
public import NodeProtocol

/// How the mesh is, as every node's kernel says.
public struct StatusReport: Codable, Sendable {
    /// One node's state.
    public struct NodeStatus: Codable, Sendable {
        /// Which node.
        public var node: String
        /// What the node said, or nil where it could not be asked.
        public var report: NodeReport?
        /// Whether no command logs in to the node, so that it is not asked.
        public var joined = false
        /// What else there is to know of a node that no command logs in to.
        public var note: String?
        /// What its peers say that they keep, or kept, for it; only where it was not asked itself.
        public var mail: [Mail] = []
        /// What went wrong.
        public var error: String?
        /// What to do about it.
        public var fix: String?
    }

    /// What one peer keeps, or kept, for a node.
    public struct Mail: Codable, Sendable {
        /// The peer.
        public var mailbox: String
        /// The mail.
        public var kept: KeptMail
    }

    /// One peering, as one of its two ends sees it.
    public struct End: Codable, Sendable {
        /// Whose view this is.
        public var node: String
        /// The interface.
        public var interface: String
        /// `kernel` or `userspace`.
        public var backend: String
        /// Where this end sends to.
        public var endpoint: SocketEndpoint?
        /// Seconds since the last handshake, or nil for never.
        public var handshakeAge: Double?
        /// Bytes received from the other end.
        public var rxBytes: UInt64
        /// Bytes sent to the other end.
        public var txBytes: UInt64
        /// What may come from and go to the other end.
        public var allowedIPs: [IPPrefix]
        /// The other end's public key.
        public var publicKey: PublicKey
        /// Whether a preshared key is set.
        public var presharedKey: Bool
    }

    /// Two nodes that should be WireGuard peers.
    public struct PeeringStatus: Codable, Sendable {
        /// How the peering is.
        public enum State: String, Codable, Sendable {
            /// A handshake within the last 180 s.
            case alive
            /// Keys are in place and no handshake is fresh: nothing was sent, or nothing came through.
            case idle
            /// At least one end does not have the other as a peer.
            case missing
            /// One end has no key yet.
            case waiting
            /// No end could be asked.
            case unknown
        }

        /// The name that sorts first.
        public var a: String
        /// The name that sorts last.
        public var b: String
        /// How it is.
        public var state: State
        /// What each managed end sees; an end that could not be asked is missing.
        public var ends: [End]
    }

    /// The mesh's name.
    public var mesh: String
    /// When it was asked. *Units:* seconds since 1970.
    public var at: Double
    /// Every managed node.
    public var nodes: [NodeStatus]
    /// Every peering of the topology.
    public var peerings: [PeeringStatus]
    /// Every edge of the topology that goes by SSH.
    public var tunnels: [TunnelStatus]
    /// Nodes that have left the topology and still run the mesh.
    public var former: [FormerNode]

    /// Which keys are in use, and since when.
    public var keys = KeyGenerations()
    /// How old keys may become, where the topology says so. *Units:* seconds.
    public var rotateEvery: Int?
    /// The rotation of keys that is open, or nil.
    public var rotation: RotationStatus?

    /// The key that the controller signs with, or nil before the first `up`.
    public var controllerKey: PublicKey?

    /// Nodes that have pinned a former key of the controller's, and take the one of now with the next `up`.
    public var unpinned: [String] = []

    /// A rotation that was begun and not ended.
    public struct RotationStatus: Codable, Sendable {
        /// What it is to do.
        public var plan: RotationPlan
        /// The step that it is at.
        public var step: RotationStep
        /// Whether it is on its way back.
        public var isBack: Bool
        /// Whether `--abort` is still to be had.
        public var canGoBack: Bool
        /// Nodes without an agent that it waits for; nothing else is to be done then.
        public var grace: [GraceNotice]
    }

    /// Whether a node's kernel differs from its document.
    public var hasDrift: Bool { nodes.contains { $0.report?.drift.isEmpty == false } }
    /// Whether the mesh is as it should be, as far as could be asked.
    public var isAsWanted: Bool {
        !hasDrift && unpinned.isEmpty && !peerings.contains { $0.state == .missing }
            && tunnels.allSatisfy { $0.state == .up }
    }
    /// Whether every node that commands log in to could be asked.
    public var isComplete: Bool { nodes.allSatisfy { $0.report != nil || $0.joined } }

    /// Puts the nodes' reports together. Pure.
    package static func make(
        _ topology: Topology, reports: [String: NodeReport], failures: [String: (String, String?)],
        former: [Node] = [], now: Double
    ) -> StatusReport {
        var mail: [String: [Mail]] = [:]
        for (mailbox, report) in reports.sorted(by: { $0.key < $1.key }) {
            for kept in report.mail ?? [] {
                mail[kept.node, default: []].append(Mail(mailbox: mailbox, kept: kept))
            }
        }
        let nodes = topology.managedNodes.map { node in
            NodeStatus(
                node: node.name, report: reports[node.name], joined: node.isReachedByMail,
                mail: reports[node.name] == nil ? mail[node.name] ?? [] : [],
                error: failures[node.name]?.0,
                fix: failures[node.name]?.1)
        }
        let ends = endsByPeering(reports)
        let keyless = Set(topology.nodes.filter { !$0.managed && $0.publicKey == nil }.map(\.name))
        let peerings = topology.peerings().map { pair -> PeeringStatus in
            let seen = ends[pair] ?? []
            let names = [pair.a, pair.b]
            return PeeringStatus(
                a: pair.a, b: pair.b,
                state: state(
                    seen, asked: names.count { reports[$0] != nil },
                    isKeyless: names.contains { keyless.contains($0) }),
                ends: seen)
        }
        return StatusReport(
            mesh: topology.mesh.name, at: now, nodes: nodes, peerings: peerings,
            tunnels: TunnelStatus.list(topology, reports: reports),
            former: former.map(FormerNode.init))
    }

    /// A peer that is missing at one end outweighs a handshake at the other: nothing comes back from there.
    private static func state(
        _ ends: [End], asked: Int, isKeyless: Bool
    ) -> PeeringStatus.State {
        if isKeyless { return .waiting }
        if asked == 0 { return .unknown }
        if ends.count < asked { return .missing }
        return ends.contains { ($0.handshakeAge ?? .infinity) <= freshness } ? .alive : .idle
    }

    /// How old a handshake may be for its session to be in use. *Units:* seconds. *Source:* REJECT_AFTER_TIME of the
    /// WireGuard paper.
    static let freshness: Double = 180

    private static func endsByPeering(
        _ reports: [String: NodeReport]
    ) -> [MeshModel.Peering: [End]] {
        var ends: [MeshModel.Peering: [End]] = [:]
        for (name, report) in reports.sorted(by: { $0.key < $1.key }) {
            for wanted in report.document?.interfaces ?? [] {
                guard
                    let interface = report.observed.interfaces.first(where: {
                        $0.name == wanted.name
                    }),
                    let device = interface.device
                else { continue }
                let peers = Dictionary(
                    device.peers.map { ($0.publicKey, $0) }, uniquingKeysWith: { first, _ in first }
                )
                for peer in wanted.peers {
                    guard let found = peers[peer.publicKey] else { continue }
                    ends[MeshModel.Peering(name, peer.node), default: []].append(
                        End(name, interface, found, now: report.observed.observedAt))
                }
            }
        }
        return ends
    }
}

extension StatusReport.End {
    /// - Parameter now: by the node's own clock, as its handshakes are.
    fileprivate init(
        _ node: String, _ interface: ObservedInterface, _ peer: ObservedPeer, now: Double
    ) {
        self.init(
            node: node, interface: interface.name, backend: interface.kind.label,
            endpoint: peer.endpoint,
            handshakeAge: peer.lastHandshake > 0 ? max(0, now - peer.lastHandshake) : nil,
            rxBytes: peer.rxBytes, txBytes: peer.txBytes, allowedIPs: peer.allowedIPs,
            publicKey: peer.publicKey, presharedKey: peer.presharedKey != nil)
    }
}

extension InterfaceKind {
    /// One word for people and JSON.
    public var label: String {
        switch self {
        case .kernel: "kernel"
        case .userspace: "userspace"
        case .foreign(let kind): "not WireGuard (\(kind))"
        }
    }
}
