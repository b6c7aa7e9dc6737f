import MeshModel
import NodeProtocol

/// Whether what a document wants of tunnels is within bounds and keeps to this node and this mesh.
struct TunnelCheck {
    private let document: NodeDocument

    /// More than any node has; what is above is a mistake or an attack.
    private static let tunnelLimit = 1_000
    private static let targetLimit = 1_000
    /// *Source:* unix(7), sun_path, with its terminating zero.
    private static let pathLimit = 107

    init(_ document: NodeDocument) {
        self.document = document
    }

    func run() throws(ProtocolError) {
        guard document.tunnels.count <= Self.tunnelLimit else {
            throw invalid("\(document.tunnels.count) tunnels; \(Self.tunnelLimit) are allowed")
        }
        guard Set(document.tunnels.map(\.edge)).count == document.tunnels.count else {
            throw invalid("two tunnels carry one edge")
        }
        let entrances = document.tunnels.flatMap(\.entrances)
        guard Set(entrances).count == entrances.count else {
            throw invalid("two tunnels have one entrance")
        }
        for tunnel in document.tunnels { try check(tunnel) }
        if let server = document.tunnelServer { try check(server) }
    }

    /// Whether the document names the node's own keys.
    func checkKeys(_ keys: [Int: SSHNodeKeys]) throws(ProtocolError) {
        let clients = Set(keys.values.map(\.client))
        for tunnel in document.tunnels {
            guard clients.contains(tunnel.clientKey) else {
                throw invalid("tunnel \(tunnel.edge): the client key is not this node's")
            }
            guard !tunnel.hostKeys.contains(.zero) else {
                throw invalid("tunnel \(tunnel.edge): \(tunnel.node) has no host key yet")
            }
        }
        guard let server = document.tunnelServer else { return }
        guard keys.values.contains(where: { $0.host == server.hostKey }) else {
            throw invalid("the tunnel server's host key is not this node's")
        }
        if let grant = server.grants.first(where: { $0.key == .zero }) {
            throw invalid("the tunnel server is to let in \(grant.node), which has no key yet")
        }
    }

    private func check(_ tunnel: DesiredTunnel) throws(ProtocolError) {
        // An edge's name gets into logs and messages.
        guard Self.isText(tunnel.edge, 1...200), Self.isText(tunnel.node, 1...63) else {
            throw invalid("a tunnel without a proper name")
        }
        let name = "tunnel \(tunnel.edge)"
        try checkUser(tunnel.user, name)
        guard tunnel.server.port != 0, Self.isText(tunnel.server.host, 1...253) else {
            throw invalid("\(name): the server is no host and port")
        }
        guard (1...4).contains(tunnel.hostKeys.count) else {
            throw invalid("\(name): \(tunnel.hostKeys.count) host keys; 1 to 4 are allowed")
        }
        guard (1...8).contains(tunnel.entrances.count) else {
            throw invalid("\(name): \(tunnel.entrances.count) entrances; 1 to 8 are allowed")
        }
        for entrance in tunnel.entrances {
            try check(entrance, "\(name): entrance")
            if case .tcp(let endpoint) = entrance, !endpoint.address.isLoopback {
                throw invalid("\(name): the entrance \(endpoint) is not on loopback")
            }
        }
        try check(tunnel.target, "\(name): target")
    }

    private func check(_ server: DesiredTunnelServer) throws(ProtocolError) {
        try checkUser(server.user, "the tunnel server")
        guard server.port != 0, (1...16).contains(server.addresses.count) else {
            throw invalid("the tunnel server has no port or no address")
        }
        let targets = server.grants.flatMap(\.targets)
        guard server.grants.count <= Self.tunnelLimit, targets.count <= Self.targetLimit else {
            throw invalid("the tunnel server has too many grants")
        }
        for grant in server.grants {
            guard Self.isText(grant.node, 1...63), !grant.targets.isEmpty else {
                throw invalid("the tunnel server grants something to nobody, or nothing")
            }
        }
        for target in targets { try check(target, "tunnel server: target") }
    }

    /// One user a mesh, so that no document can log in as anybody else.
    private func checkUser(_ user: String, _ name: String) throws(ProtocolError) {
        guard user == Ownership.tunnelUser(mesh: document.mesh) else {
            throw invalid("\(name): the user is not the mesh's own")
        }
    }

    private func check(_ end: TunnelEnd, _ name: String) throws(ProtocolError) {
        switch end {
        case .tcp(let endpoint):
            guard endpoint.port != 0, !endpoint.address.isUnspecified,
                !endpoint.address.isMulticast
            else { throw invalid("\(name) \(endpoint) is no place to connect to") }
        case .unix(let path):
            let isPlain = path.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\"") }
            guard path.hasPrefix("/"), isPlain, path.utf8.count <= Self.pathLimit,
                !path.split(separator: "/").contains("..")
            else { throw invalid("\(name) is no absolute path of a unix socket") }
        }
    }

    private static func isText(_ text: String, _ length: ClosedRange<Int>) -> Bool {
        length.contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 32 && $0 < 127 }
    }

    private func invalid(_ message: String) -> ProtocolError {
        ProtocolError(.invalidDocument, message)
    }
}
