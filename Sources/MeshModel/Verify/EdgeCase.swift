/// One edge as `verify` looks at it: all that the topology, the allocation and the nodes' keys say of it.
///
/// Made by ``VerifyResolver``; together with facts it is everything that judging takes.
public struct EdgeCase: Codable, Sendable, Equatable {
    /// `webui->ollama`.
    public var id: String
    /// The paths that it is part of, in the topology's order.
    public var paths: [String]
    /// What those paths carry.
    public var carries: [String]
    /// How it is to be carried.
    public var via: Transport
    /// Where connections come from.
    public var from: EdgeEnd
    /// Where they go to.
    public var to: EdgeEnd
    /// What listens there.
    public var service: ServiceCase
    /// The WireGuard links that may carry it, one a generation of keys; empty where it does not go through the mesh.
    public var links: [MeshLinkCase]
    /// The node that routes between the two ends, or nil where they are peers.
    public var hub: String?
    /// The SSH tunnel that carries it, or nil.
    public var tunnel: DesiredTunnel?
    /// The same before the step of a rotation that is being taken: a node may have taken it, or not yet.
    public var formerTunnel: DesiredTunnel?
    /// What TLS is held to, or nil where it is not `tls` or `mtls`.
    public var tls: TLSCase?
    /// The text that this run sends through it and looks for on the wire.
    public var canary: String

    /// Gathers the parts.
    public init(
        id: String, paths: [String], carries: [String], via: Transport, from: EdgeEnd, to: EdgeEnd,
        service: ServiceCase, links: [MeshLinkCase], hub: String?, tunnel: DesiredTunnel?,
        formerTunnel: DesiredTunnel? = nil, tls: TLSCase?, canary: String
    ) {
        self.id = id
        self.paths = paths
        self.carries = carries
        self.via = via
        self.from = from
        self.to = to
        self.service = service
        self.links = links
        self.hub = hub
        self.tunnel = tunnel
        self.formerTunnel = formerTunnel
        self.tls = tls
        self.canary = canary
    }
}

/// One end of an edge.
public struct EdgeEnd: Codable, Sendable, Equatable {
    /// The party as the topology names it: a node or a service.
    public var party: String
    /// The node that it is on.
    public var node: String
    /// Whether that node runs an agent, so that it can be asked.
    public var managed: Bool
    /// The node's overlay addresses.
    public var overlay: [IPAddress]
    /// The node's underlay addresses, of both families, as far as they are known.
    public var underlay: [IPAddress]
    /// Whether the node is to have a guard.
    public var guarded: Bool

    /// Gathers the parts.
    public init(
        party: String, node: String, managed: Bool, overlay: [IPAddress], underlay: [IPAddress],
        guarded: Bool
    ) {
        self.party = party
        self.node = node
        self.managed = managed
        self.overlay = overlay
        self.underlay = underlay
        self.guarded = guarded
    }
}

/// The service that an edge goes to.
public struct ServiceCase: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its kind in the ``ServiceCatalogue``.
    public var kind: String
    /// What is spoken there.
    public var wireProtocol: ServiceKind.WireProtocol
    /// Its port; 0 for a unix socket.
    public var port: UInt16
    /// Where it is to listen.
    public var bind: Service.Bind

    /// Gathers the parts.
    public init(
        name: String, kind: String, wireProtocol: ServiceKind.WireProtocol, port: UInt16,
        bind: Service.Bind
    ) {
        self.name = name
        self.kind = kind
        self.wireProtocol = wireProtocol
        self.port = port
        self.bind = bind
    }
}

/// The WireGuard link of one generation between the two ends of an edge, or between an end and the hub.
public struct MeshLinkCase: Codable, Sendable, Equatable {
    /// Which set of keys.
    public var generation: Int
    /// The interface's name, the same on every node.
    public var interface: String
    /// One node of the link and its public key.
    public var a: LinkEnd
    /// The other node of the link.
    public var b: LinkEnd

    /// Gathers the parts.
    public init(generation: Int, interface: String, a: LinkEnd, b: LinkEnd) {
        self.generation = generation
        self.interface = interface
        self.a = a
        self.b = b
    }
}

/// One end of a WireGuard link.
public struct LinkEnd: Codable, Sendable, Equatable {
    /// The node.
    public var node: String
    /// Its public key.
    public var key: PublicKey
    /// The UDP port that it listens on.
    public var port: UInt16
    /// What the other end must let come from it.
    public var allowedIPs: [IPPrefix]

    /// Gathers the parts.
    public init(node: String, key: PublicKey, port: UInt16, allowedIPs: [IPPrefix]) {
        self.node = node
        self.key = key
        self.port = port
        self.allowedIPs = allowedIPs
    }
}

/// What a TLS edge is held to.
public struct TLSCase: Codable, Sendable, Hashable {
    /// The lowest version, `TLS1.2` or `TLS1.3`.
    public var minimum: String
    /// The name that the certificate must be for.
    public var name: String
    /// The file on the `from` node with the authorities to trust, or nil for the system's. A path without a leading
    /// slash, here and below, begins at /etc/meshproof/tls.
    public var authorities: String?
    /// The file on the `from` node with the client's certificate; nil unless `mtls`.
    public var certificate: String?
    /// The file on the `from` node with the client's key; nil unless `mtls`.
    public var key: String?
    /// Whether a client certificate is to be required.
    public var isMutual: Bool

    /// Gathers the parts.
    public init(
        minimum: String, name: String, authorities: String?, certificate: String?, key: String?,
        isMutual: Bool
    ) {
        self.minimum = minimum
        self.name = name
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
        self.isMutual = isMutual
    }
}
