import MeshModel

/// The topology as it was written: typed, with places, and not yet known to make sense.
///
/// What could not be read is nil or missing; its mistake is already reported, so checks pass over it.
struct Draft {
    var mesh: DraftMesh?
    var nodes: [DraftNode] = []
    var services: [DraftService] = []
    var paths: [DraftPath] = []
    var forbid: [DraftForbidden] = []
    var lab: [DraftLabService] = []
}

struct DraftMesh {
    var mark: Mark
    var name: Marked<String>?
    var networks: [Marked<IPPrefix>] = []
    var port: Marked<UInt16>?
    var tunnelPort: Marked<UInt16>?
    var peering: Marked<Mesh.Peering>?
    var keepalive: Marked<UInt16>?
    var mtu: Marked<Int>?
    var guardEnabled: Marked<Bool>?
    var namesEnabled: Marked<Bool>?
    var rotation: Marked<RotationSchedule>?
}

struct DraftNode {
    var name: Marked<String>
    var managed: Marked<Bool>?
    /// Where `connect` is, readable or not.
    var connectMark: Mark?
    var connect: Marked<Connect>?
    /// Where `endpoint` is, readable or not.
    var endpointMark: Mark?
    var endpoint: Marked<HostPort>?
    var addresses: [Marked<IPAddress>] = []
    var hostKey: Marked<String>?
    var publicKey: Marked<PublicKey>?
    var backend: Marked<BackendChoice>?
    var guardEnabled: Marked<Bool>?

    init(_ name: Marked<String>) { self.name = name }

    var isManaged: Bool { managed?.value ?? true }
}

struct DraftService {
    var name: Marked<String>
    var node: Marked<String>?
    var kind: Marked<ServiceKind>?
    /// Where `port` is, readable or not.
    var portMark: Mark?
    var port: Marked<UInt16>?
    var bind: Marked<Service.Bind>?

    init(_ name: Marked<String>) { self.name = name }

    var effectivePort: UInt16? {
        if case .unix = bind?.value { return 0 }
        return portMark == nil ? kind?.value.port : port?.value
    }
}

struct DraftPath {
    var name: Marked<String>
    var carries: [String] = []
    var edges: [DraftEdge] = []

    init(_ name: Marked<String>) { self.name = name }
}

struct DraftEdge {
    var from: Marked<String>
    var to: Marked<String>
    var via: Marked<Transport>?
    var options: [String: Marked<String>] = [:]

    var mark: Mark { from.mark }
    var id: String { "\(from.value)->\(to.value)" }
}

struct DraftForbidden {
    var from: Marked<String>
    var to: Marked<String>
}

struct DraftLabService {
    var name: Marked<String>
    var service: LabService
}

extension Draft {
    /// The finished topology; called only where no error was found.
    func topology() -> Topology? {
        guard let mesh, let name = mesh.name else { return nil }
        return Topology(
            mesh: Mesh(
                name: name.value, networks: mesh.networks.map(\.value),
                port: mesh.port?.value ?? 51820, tunnelPort: mesh.tunnelPort?.value,
                peering: mesh.peering?.value ?? .paths, keepalive: mesh.keepalive?.value,
                mtu: mesh.mtu?.value,
                guardEnabled: mesh.guardEnabled?.value ?? true,
                namesEnabled: mesh.namesEnabled?.value ?? true, rotation: mesh.rotation?.value),
            nodes: nodes.map(\.node),
            services: services.map(\.service),
            paths: paths.map { path in
                Path(
                    name: path.name.value, carries: path.carries, edges: path.edges.map(\.edge))
            },
            forbid: forbid.map { ForbiddenEdge(from: $0.from.value, to: $0.to.value) },
            lab: Dictionary(
                lab.map { ($0.name.value, $0.service) }, uniquingKeysWith: { first, _ in first }))
    }
}

extension DraftNode {
    var node: Node {
        Node(
            name: name.value, managed: isManaged, connect: connect?.value,
            endpoint: endpoint?.value.host, endpointPort: endpoint?.value.port,
            addresses: addresses.map(\.value).sorted(), hostKey: hostKey?.value,
            publicKey: publicKey?.value,
            backend: backend?.value ?? .auto, guardEnabled: guardEnabled?.value)
    }
}

extension DraftService {
    fileprivate var service: Service {
        Service(
            name: name.value, node: node?.value ?? "", kind: kind?.value.name ?? "tcp",
            port: effectivePort ?? 0, bind: bind?.value ?? .any)
    }
}

extension DraftEdge {
    fileprivate var edge: Edge {
        Edge(
            from: from.value, to: to.value, via: via?.value ?? .wireguard,
            options: options.mapValues(\.value))
    }
}
