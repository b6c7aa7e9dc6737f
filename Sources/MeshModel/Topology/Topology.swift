/// A checked topology: every name resolves, every port is a port, nothing contradicts anything else.
///
/// Made by `TopologyFile` from the operator's YAML; the order of the file is kept.
public struct Topology: Sendable, Equatable {
    /// The mesh itself.
    public var mesh: Mesh
    /// The machines.
    public var nodes: [Node]
    /// What listens.
    public var services: [Service]
    /// The AI data paths.
    public var paths: [Path]
    /// What must not be reachable.
    public var forbid: [ForbiddenEdge]
    /// How services are run in a rehearsal, by service name.
    public var lab: [String: LabService]

    /// Gathers the parts.
    public init(
        mesh: Mesh, nodes: [Node], services: [Service] = [], paths: [Path] = [],
        forbid: [ForbiddenEdge] = [], lab: [String: LabService] = [:]
    ) {
        self.mesh = mesh
        self.nodes = nodes
        self.services = services
        self.paths = paths
        self.forbid = forbid
        self.lab = lab
    }

    /// The nodes that run the agent.
    public var managedNodes: [Node] { nodes.filter(\.managed) }
    /// The managed nodes that commands log in to.
    public var contactedNodes: [Node] { managedNodes.filter { !$0.isReachedByMail } }
    /// The names of ``managedNodes``.
    public var managedNames: Set<String> { Set(managedNodes.map(\.name)) }
    /// The node called `name`.
    public func node(_ name: String) -> Node? { nodes.first { $0.name == name } }
    /// The service called `name`.
    public func service(_ name: String) -> Service? { services.first { $0.name == name } }
    /// Every edge of every path, in order.
    public var edges: [Edge] { paths.flatMap(\.edges) }
}

/// The mesh as a whole.
public struct Mesh: Sendable, Equatable {
    /// Which node pairs are WireGuard peers.
    public enum Peering: Sendable, Equatable, Hashable {
        /// Only pairs that an edge needs.
        case paths
        /// Every pair.
        case full
        /// Everyone with this node, which routes between the others.
        case hub(String)
    }

    /// The WireGuard port unless the topology gives another.
    public static let defaultPort: UInt16 = 51820
    /// The tunnel servers' TCP port unless the topology gives another: beside WireGuard's two.
    public static let defaultTunnelPort: UInt16 = 51822

    /// A DNS label of at most 11 characters, so that `mp0-<name>` fits an interface name.
    public var name: String
    /// The overlay networks, host bits cleared; at most one a family.
    public var networks: [IPPrefix]
    /// The UDP port of even generations; odd ones use the next.
    public var port: UInt16
    /// The TCP port of every node's tunnel server.
    public var tunnelPort: UInt16
    /// Which pairs are peers.
    public var peering: Peering
    /// Seconds between keepalives for peers behind NAT (nodes without an endpoint), nil for the default 25.
    public var keepalive: UInt16?
    /// A fixed MTU, or nil to derive it.
    public var mtu: Int?
    /// Whether the guard is wanted; on by default. A node may say otherwise.
    public var guardEnabled: Bool
    /// Whether nodes are to know each other by `<node>.<mesh>`; on by default.
    public var namesEnabled: Bool
    /// How often keys are to be replaced, or nil where nobody said.
    public var rotation: RotationSchedule?

    /// Gathers the parts.
    public init(
        name: String, networks: [IPPrefix], port: UInt16 = 51820, tunnelPort: UInt16? = nil,
        peering: Peering = .paths, keepalive: UInt16? = nil, mtu: Int? = nil,
        guardEnabled: Bool = true, namesEnabled: Bool = true, rotation: RotationSchedule? = nil
    ) {
        self.name = name
        self.networks = networks
        self.port = port
        self.tunnelPort = tunnelPort ?? Self.defaultTunnelPort
        self.peering = peering
        self.keepalive = keepalive
        self.mtu = mtu
        self.guardEnabled = guardEnabled
        self.namesEnabled = namesEnabled
        self.rotation = rotation
    }
}

/// How the controller reaches a managed node.
public enum Connect: Sendable, Equatable, Hashable {
    /// It is this machine.
    case local
    /// Over SSH; what is nil comes from ssh_config or the defaults.
    case ssh(user: String?, host: String, port: UInt16?)
    /// No command logs in to it: it joins by itself, and gets every change as mail from its peers.
    case join
}

/// A machine in the mesh.
public struct Node: Sendable, Equatable {
    /// A DNS label.
    public var name: String
    /// Whether it runs the agent.
    public var managed: Bool
    /// How to reach it for management; nil where it is unmanaged.
    public var connect: Connect?
    /// Where peers reach it: a name or address without a port, or nil where it only calls others.
    public var endpoint: String?
    /// The UDP port of its endpoint where it is not the mesh's (a port forward), else nil.
    public var endpointPort: UInt16?
    /// Overlay addresses chosen by hand; the rest are allocated.
    public var addresses: [IPAddress]
    /// The pinned SSH host key's fingerprint `SHA256:…`, or nil to go by known_hosts.
    public var hostKey: String?
    /// An unmanaged node's WireGuard public key; a managed one makes its own.
    public var publicKey: PublicKey?
    /// Which WireGuard to use.
    public var backend: BackendChoice
    /// Whether the guard is wanted here; nil follows the mesh.
    public var guardEnabled: Bool?

    /// Gathers the parts.
    public init(
        name: String, managed: Bool = true, connect: Connect? = nil, endpoint: String? = nil,
        endpointPort: UInt16? = nil, addresses: [IPAddress] = [], hostKey: String? = nil,
        publicKey: PublicKey? = nil, backend: BackendChoice = .auto, guardEnabled: Bool? = nil
    ) {
        self.name = name
        self.managed = managed
        self.connect = connect
        self.endpoint = endpoint
        self.endpointPort = endpointPort
        self.addresses = addresses
        self.hostKey = hostKey
        self.publicKey = publicKey
        self.backend = backend
        self.guardEnabled = guardEnabled
    }
}

extension Node {
    /// Whether no command logs in to it, though it is managed: its documents reach it as mail.
    public var isReachedByMail: Bool { managed && connect == .join }
}

/// Something that listens on one node.
public struct Service: Sendable, Equatable {
    /// Where it listens.
    public enum Bind: Codable, Sendable, Equatable, Hashable {
        /// On every address (`any`, the usual and the risky default of many).
        case any
        /// On loopback only.
        case loopback
        /// On the node's overlay addresses.
        case mesh
        /// On one address.
        case address(IPAddress)
        /// On a unix socket.
        case unix(String)
    }

    /// Its name, a DNS label.
    public var name: String
    /// The node it is on.
    public var node: String
    /// Its kind in the ``ServiceCatalogue``.
    public var kind: String
    /// Its port, from the file or the catalogue; 0 for a unix socket.
    public var port: UInt16
    /// Where it listens.
    public var bind: Bind

    /// Gathers the parts.
    public init(name: String, node: String, kind: String, port: UInt16, bind: Bind = .any) {
        self.name = name
        self.node = node
        self.kind = kind
        self.port = port
        self.bind = bind
    }
}

/// A named AI data path.
public struct Path: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// What it carries, in the operator's words.
    public var carries: [String]
    /// Its edges.
    public var edges: [Edge]

    /// Gathers the parts.
    public init(name: String, carries: [String] = [], edges: [Edge]) {
        self.name = name
        self.carries = carries
        self.edges = edges
    }
}

/// How an edge is carried.
public enum Transport: String, Sendable, Hashable, CaseIterable, Codable {
    /// Through the mesh's WireGuard.
    case wireguard
    /// Through an SSH tunnel.
    case ssh
    /// TLS of the service's own.
    case tls
    /// TLS with client certificates.
    case mtls
    /// Within one host: loopback or a unix socket.
    case local
}

/// `from -> to` with a transport.
public struct Edge: Sendable, Equatable {
    /// Who starts the connection: a node or a service.
    public var from: String
    /// The service it goes to.
    public var to: String
    /// How it is carried.
    public var via: Transport
    /// What was given beside `via`: `min`, `ca`, `cert`, `key`, `over`, `local_port` and the like, checked per transport.
    public var options: [String: String]

    /// Gathers the parts.
    public init(from: String, to: String, via: Transport, options: [String: String] = [:]) {
        self.from = from
        self.to = to
        self.via = via
        self.options = options
    }

    /// `from->to`, as in JSON.
    public var id: String { "\(from)->\(to)" }
}

/// A pair that must not be able to talk.
public struct ForbiddenEdge: Sendable, Equatable, Hashable {
    /// A node or a service.
    public var from: String
    /// A service or a node.
    public var to: String

    /// Pairs the two.
    public init(from: String, to: String) {
        self.from = from
        self.to = to
    }
}

/// How a service is run in a rehearsal.
public struct LabService: Sendable, Equatable {
    /// Runs once before `run`, as root, in the service's host; empty for none.
    public var prepare: [String]
    /// The command that is the service, kept running.
    public var run: [String]
    /// The user it runs as, or nil for root.
    public var user: String?

    /// Gathers the parts.
    public init(prepare: [String] = [], run: [String], user: String? = nil) {
        self.prepare = prepare
        self.run = run
        self.user = user
    }
}
