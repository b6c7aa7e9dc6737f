/// What resolving needs beside the topology: what is allocated, made or counted elsewhere.
public struct ResolverInputs: Sendable {
    /// The mesh's identity, 32 hexadecimal digits.
    public var meshID: String
    /// The revision of each node's document; 1 for a node that is not named.
    public var revision: [String: UInt64]
    /// When the documents are made. *Units:* seconds since 1970.
    public var issuedAt: Int64
    /// Every node's overlay addresses, from ``OverlayAllocation``.
    public var addresses: [String: [IPAddress]]
    /// Every node's public key of `generation`; a missing one becomes ``PublicKey/zero``.
    public var keys: [String: PublicKey]
    /// The preshared key of a pair, or nil for none; asked once a pair.
    public var presharedKeys: @Sendable (Peering) -> PresharedKeyID?
    /// Which set of keys this is, 0...9.
    public var generation: Int
    /// Every managed node's SSH keys for tunnels; a missing pair becomes ``SSHNodeKeys/unmade``.
    public var sshKeys: [String: SSHNodeKeys]
    /// SSH keys that are accepted beside those, while keys are being rotated.
    public var sshKeysBeside: [String: SSHNodeKeys]

    /// Gathers the parts.
    public init(
        meshID: String, revision: [String: UInt64] = [:], issuedAt: Int64,
        addresses: [String: [IPAddress]], keys: [String: PublicKey] = [:],
        presharedKeys: @escaping @Sendable (Peering) -> PresharedKeyID? = { _ in nil },
        generation: Int = 0, sshKeys: [String: SSHNodeKeys] = [:],
        sshKeysBeside: [String: SSHNodeKeys] = [:]
    ) {
        self.meshID = meshID
        self.revision = revision
        self.issuedAt = issuedAt
        self.addresses = addresses
        self.keys = keys
        self.presharedKeys = presharedKeys
        self.generation = generation
        self.sshKeys = sshKeys
        self.sshKeysBeside = sshKeysBeside
    }
}

/// Turns a topology into what each node is to be told.
///
/// Keepalives go where NAT is: a node without an endpoint keeps its way open towards peers that have one, with
/// ``Resolver/defaultKeepalive`` or the mesh's own figure; nobody else sends any.
///
/// Through a hub, a spoke's one peer is the hub, and what may pass it is the whole overlay; the hub's peers
/// are the spokes, each with its own addresses only.
public enum Resolver {
    /// Seconds between keepalives towards peers, where the topology gives none: below the 30 seconds after
    /// which common NAT devices forget a UDP flow.
    public static let defaultKeepalive: UInt16 = 25

    /// One document for every managed node, in the topology's order, with peers in name order.
    ///
    /// It takes time in proportion to the number of peerings: what is the same for all peers of a node is
    /// made once and shared.
    public static func resolve(_ topology: Topology, inputs: ResolverInputs) -> [NodeDocument] {
        let graph = PeeringGraph(topology)
        let faces = PeerFaces(topology, graph: graph, inputs: inputs)
        let peers = peerLists(graph, faces, inputs)
        let port = listenPort(topology.mesh.port, generation: inputs.generation)
        let name = DesiredInterface.name(mesh: topology.mesh.name, generation: inputs.generation)
        let (tunnels, servers) = TunnelResolver(topology, inputs).resolve()
        let mail = MailResolver(topology, addresses: inputs.addresses, graph: graph).resolve()
        let guards = GuardResolver(topology, addresses: inputs.addresses).resolve(mail: mail)
        let names = NamesResolver(topology, addresses: inputs.addresses).resolve()
        return topology.managedNodes.map { node in
            let position = faces.positions[node.name] ?? 0
            let interface = DesiredInterface(
                name: name, generation: inputs.generation,
                publicKey: inputs.keys[node.name] ?? .zero, listenPort: port, backend: node.backend,
                mtu: topology.mesh.mtu, addresses: faces.hosts[position],
                networks: topology.mesh.networks, peers: peers[position])
            return NodeDocument(
                meshID: inputs.meshID, mesh: topology.mesh.name, node: node.name,
                revision: inputs.revision[node.name] ?? 1, issuedAt: inputs.issuedAt,
                interfaces: [interface], tunnels: tunnels[node.name] ?? [],
                tunnelServer: servers[node.name], guard: guards[node.name],
                names: names[node.name], mail: mail[node.name])
        }
    }

    /// The UDP port of a generation: the mesh's port for even ones, the next for odd ones.
    ///
    /// A forwarded port in an endpoint follows the same rule: `nat.example:41820` is 41821 for odd ones.
    public static func listenPort(_ port: UInt16, generation: Int) -> UInt16 {
        generation % 2 == 0 || port == .max ? port : port + 1
    }

    /// Every node's peers. Pairs come sorted, so each list is in name order without sorting.
    private static func peerLists(
        _ graph: PeeringGraph, _ faces: PeerFaces, _ inputs: ResolverInputs
    ) -> [[DesiredPeer]] {
        var degrees = [Int](repeating: 0, count: graph.names.count)
        for pair in graph.pairs {
            degrees[Int(pair.a)] += 1
            degrees[Int(pair.b)] += 1
        }
        var lists = degrees.map { count in
            var list: [DesiredPeer] = []
            list.reserveCapacity(count)
            return list
        }
        for pair in graph.pairs {
            let (a, b) = (Int(pair.a), Int(pair.b))
            guard faces.isManaged[a] || faces.isManaged[b] else { continue }
            let key = inputs.presharedKeys(Peering(ordered: graph.names[a], graph.names[b]))
            if faces.isManaged[a] { lists[a].append(faces.peer(b, seenBy: a, key)) }
            if faces.isManaged[b] { lists[b].append(faces.peer(a, seenBy: b, key)) }
        }
        return lists
    }
}

/// How each node looks to its peers: all that does not depend on who looks, made once a node.
struct PeerFaces {
    let positions: [String: Int]
    let isManaged: [Bool]
    let hosts: [[IPPrefix]]
    private let faces: [DesiredPeer]
    private let keepalive: UInt16
    private let hub: Int?
    private let networks: [IPPrefix]

    init(_ topology: Topology, graph: PeeringGraph, inputs: ResolverInputs) {
        let positions = Dictionary(
            zip(graph.names, graph.names.indices), uniquingKeysWith: { first, _ in first })
        let byName = PartyIndex(topology)
        let nodes = graph.names.map { byName.node($0) ?? Node(name: $0, managed: false) }
        let hosts = nodes.map { (inputs.addresses[$0.name] ?? []).map(IPPrefix.init(host:)) }
        self.positions = positions
        self.hosts = hosts
        isManaged = nodes.map(\.managed)
        keepalive = topology.mesh.keepalive ?? Resolver.defaultKeepalive
        networks = topology.mesh.networks
        if case .hub(let name) = topology.mesh.peering { hub = positions[name] } else { hub = nil }
        faces = nodes.enumerated().map { position, node in
            let endpoint = node.endpoint.map {
                let port = node.endpointPort ?? topology.mesh.port
                return Endpoint(
                    host: $0, port: Resolver.listenPort(port, generation: inputs.generation))
            }
            return DesiredPeer(
                node: node.name, publicKey: inputs.keys[node.name] ?? .zero, presharedKey: nil,
                endpoint: endpoint, allowedIPs: hosts[position], keepalive: nil)
        }
    }

    func peer(_ position: Int, seenBy looker: Int, _ key: PresharedKeyID?) -> DesiredPeer {
        var peer = faces[position]
        peer.presharedKey = key
        if faces[looker].endpoint == nil && peer.endpoint != nil { peer.keepalive = keepalive }
        if position == hub { peer.allowedIPs = networks }
        return peer
    }
}
