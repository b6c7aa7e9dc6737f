import MeshModel

/// What every managed node should be, resolved from the topology and from what is known of keys and addresses.
struct MeshDesign: Sendable {
    let documents: [String: NodeDocument]
    /// Peerings that cannot stand yet, with the node that has no key.
    let waiting: [Waiting]
    /// Tunnels that cannot stand yet, for want of a node's SSH key.
    let waitingTunnels: [WaitingTunnel]

    /// A peering that cannot stand yet.
    struct Waiting: Sendable {
        let peering: Peering
        /// The end that has no key.
        let keyless: String

        /// For people, and JSON.
        var text: String { "\(peering.a)-\(peering.b): \(keyless) has no key yet" }
    }

    /// A tunnel that cannot stand yet.
    struct WaitingTunnel: Sendable {
        let edge: String
        /// The end that has no SSH key.
        let keyless: String

        /// For people, and JSON.
        var text: String { "tunnel \(edge): \(keyless) has no SSH key yet" }
    }

    /// Resolves. Pure.
    ///
    /// - Parameter expected: nodes whose peers may still be without a key, because `up` is about to make it; any
    ///   other peer without one is left out.
    init(_ topology: Topology, _ inputs: LayoutInputs, expected: Set<String> = []) {
        let primary = inputs.primary
        // A node that nobody can talk to yet needs no name either.
        let keyless = topology.nodes.filter {
            primary.keys[$0.name] == nil && !expected.contains($0.name)
        }
        let nameless = Set(keyless.flatMap { primary.addresses[$0.name] ?? [] })
        var documents: [String: NodeDocument] = [:]
        var waitingTunnels: [WaitingTunnel] = []
        let resolved = inputs.resolve(topology)
        for var document in resolved.documents {
            document.interfaces = resolved.interfaces[document.node] ?? []
            for index in document.interfaces.indices {
                document.interfaces[index].peers.removeAll {
                    $0.publicKey == .zero && !expected.contains($0.node)
                }
            }
            if !nameless.isEmpty {
                document.names?.entries.removeAll { nameless.contains($0.address) }
            }
            for tunnel in document.tunnels {
                let ends = [(tunnel.hostKeys, tunnel.node), ([tunnel.clientKey], document.node)]
                for (keys, node) in ends where keys.contains(.zero) && !expected.contains(node) {
                    waitingTunnels.append(WaitingTunnel(edge: tunnel.edge, keyless: node))
                }
            }
            document.dropUnkeyedTunnels(expected: expected)
            document.dropStrayMail(keyless: nameless)
            documents[document.node] = document
        }
        self.documents = documents
        self.waitingTunnels = waitingTunnels
        waiting = topology.peerings().compactMap { pair in
            [pair.a, pair.b].first { primary.keys[$0] == nil }.map {
                Waiting(peering: pair, keyless: $0)
            }
        }
    }
}

extension Topology {
    /// Peerings of two managed nodes: those that a preshared key can be given to. An unmanaged node knows only what
    /// it was handed, and a key that it does not know would keep it out.
    func managedPeerings() -> [Peering] {
        let managed = managedNames
        return peerings().filter { managed.contains($0.a) && managed.contains($0.b) }
    }
}

extension NodeDocument {
    /// Whether two documents want the same of a node, whatever their revisions say.
    func wantsTheSame(as other: NodeDocument?) -> Bool {
        guard let other else { return false }
        return format == other.format && meshID == other.meshID && mesh == other.mesh
            && node == other.node && desired == other.desired && mail == other.mail
    }

    /// Leaves out mail from and for nodes that are no peers: their packets would not come through, and nobody who is cut
    /// off is to find mail.
    ///
    /// - Parameter keyless: the addresses of nodes that have no key yet: nobody comes from there.
    mutating func dropStrayMail(keyless: Set<IPAddress>) {
        guard let port = mail?.port else { return }
        let names = Set(interfaces.flatMap(\.peers).map(\.node))
        mail?.peers.removeAll { !names.contains($0.node) }
        self.guard?.admitted.removeAll { $0.port == port && keyless.contains($0.from) }
        if mail?.peers.isEmpty == true { mail = nil }
    }

    /// Leaves out what needs an SSH key that nobody has told yet, nor is about to.
    mutating func dropUnkeyedTunnels(expected: Set<String>) {
        let own = node
        tunnels.removeAll { tunnel in
            tunnel.hostKeys.contains(.zero) && !expected.contains(tunnel.node)
                || tunnel.clientKey == .zero && !expected.contains(own)
        }
        tunnelServer?.grants.removeAll { $0.key == .zero && !expected.contains($0.node) }
        if tunnelServer?.hostKey == .zero && !expected.contains(own) { tunnelServer = nil }
    }
}
