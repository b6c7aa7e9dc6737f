import MeshModel

/// Each node by itself, and two nodes that turn out to be one machine.
struct NodeChecks {
    private let draft: Draft
    private let sink: DiagnosticSink

    init(_ draft: Draft, _ sink: DiagnosticSink) {
        self.draft = draft
        self.sink = sink
    }

    func run() {
        for node in draft.nodes {
            if node.isManaged { managed(node) } else { unmanaged(node) }
            if let endpoint = node.endpoint { reachable(endpoint) }
        }
        distinctMachines()
        distinctEndpoints()
        distinctKeys()
    }

    private func managed(_ node: DraftNode) {
        if let key = node.publicKey {
            sink.error(
                "the managed node `\(node.name.value)` has a `public_key`", at: key.mark,
                fix: "remove it: a managed node makes its own key")
        }
        joining(node)
        guard node.connectMark == nil else { return }
        sink.error(
            "the managed node `\(node.name.value)` has no `connect`", at: node.name.mark,
            fix: "add `connect: ssh://root@HOST`, `connect: join` where it is to join by itself, or"
                + " `managed: false` where no agent is to run")
    }

    /// What only a command that logs in to the node could make use of.
    private func joining(_ node: DraftNode) {
        guard node.connect?.value == .join, let key = node.hostKey else { return }
        sink.error(
            "`\(node.name.value)` joins by itself and has a `host_key`", at: key.mark,
            fix: "remove it: no command logs in to this node")
    }

    private func unmanaged(_ node: DraftNode) {
        let managedOnly: [(String, Mark?)] = [
            ("connect", node.connectMark), ("host_key", node.hostKey?.mark),
            ("backend", node.backend?.mark), ("guard", node.guardEnabled?.mark),
        ]
        for case (let key, let mark?) in managedOnly {
            sink.error(
                "the unmanaged node `\(node.name.value)` has `\(key)`", at: mark,
                fix: "remove `\(key)`, or remove `managed: false`")
        }
    }

    private func reachable(_ endpoint: Marked<HostPort>) {
        guard let address = endpoint.value.address else { return }
        let problem: String
        if address.isLoopback {
            problem = "a loopback address"
        } else if address.isUnspecified {
            problem = "no address of a machine"
        } else if address.isMulticast || address == IPAddress(ipv4: .max) {
            problem = "a multicast or broadcast address"
        } else if address.isLinkLocal {
            problem = "a link-local address, which means nothing on another link"
        } else {
            return
        }
        sink.error(
            "the endpoint \(address) is \(problem)", at: endpoint.mark,
            fix: "write the address at which the other nodes reach this one")
    }

    /// One machine can be in a mesh once: interface, folder and agent go by the mesh's name.
    private func distinctMachines() {
        var first: [Connect: DraftNode] = [:]
        for node in draft.nodes {
            // Any number of machines may join by themselves.
            guard let connect = node.connect, connect.value != .join else { continue }
            if let other = first[connect.value] {
                sink.error(
                    "`\(node.name.value)` is reached exactly like `\(other.name.value)`: one machine"
                        + " cannot be two nodes", at: connect.mark,
                    fix: "correct the host; the other is on line \(other.name.mark.line)")
            } else {
                first[connect.value] = node
            }
        }
    }

    private func distinctEndpoints() {
        struct Key: Hashable {
            var host: String
            var port: UInt16
        }
        let meshPort = draft.mesh?.port?.value ?? 51820
        var first: [Key: DraftNode] = [:]
        for node in draft.nodes {
            guard let endpoint = node.endpoint else { continue }
            let key = Key(
                host: endpoint.value.host.lowercased(), port: endpoint.value.port ?? meshPort)
            if let other = first[key] {
                sink.error(
                    "`\(node.name.value)` has the same endpoint as `\(other.name.value)`",
                    at: endpoint.mark,
                    fix: "correct the host, or give each its own forwarded port as host:port")
            } else {
                first[key] = node
            }
        }
    }

    /// WireGuard knows a peer by its key alone: one key is one peer.
    private func distinctKeys() {
        var first: [PublicKey: DraftNode] = [:]
        for node in draft.nodes {
            guard let key = node.publicKey else { continue }
            if let other = first[key.value] {
                sink.error(
                    "`\(node.name.value)` has the same public key as `\(other.name.value)`",
                    at: key.mark, fix: "make a key of its own on each device")
            } else {
                first[key.value] = node
            }
        }
    }
}
