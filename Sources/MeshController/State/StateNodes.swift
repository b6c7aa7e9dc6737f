import LinuxSystem
public import MeshModel
public import NodeProtocol
import StateStore

extension ControllerState {
    /// Keeps what a node said of itself, and how it was reached, for the time when the topology names it no more.
    public func record(_ hello: NodeHello, of node: Node) throws(ControllerError) {
        let store = try storeForWriting()
        try noteAge(of: hello)
        try Self.translate {
            try NodeRegistry(store).update(hello.node) { record in
                record.keys = hello.keys
                record.sshKeys = hello.sshKeys
                record.mailKeys = hello.mailKeys ?? [:]
                record.program = hello.program
                record.lastSeen = Clocks.wall()
            }
            if let way = ConnectRecord(node) {
                try store.put("connect/\(hello.node)", Array(way.text.utf8))
            }
        }
    }

    /// A node that left the mesh and joined anew has another key than the one whose age is known.
    private func noteAge(of hello: NodeHello) throws(ControllerError) {
        guard let store, openRotation == nil else { return }
        let generation = generations.wireguard
        let former = try Self.translate {
            try NodeRegistry(store).node(hello.node)?.keys[generation]
        }
        guard let former, let now = hello.keys[generation], now != former else { return }
        var noted = generations
        noted.nodesSince[hello.node] = Clocks.wall()
        try settle(noted)
    }

    /// Public keys of the topology's nodes for a generation: from the topology for unmanaged nodes,
    /// from what nodes said for the others.
    public func nodeKeys(
        of topology: Topology, generation: Int
    ) throws(ControllerError) -> [String: PublicKey] {
        var keys: [String: PublicKey] = [:]
        for node in topology.nodes { keys[node.name] = node.publicKey }
        guard let store else { return keys }
        let records = try Self.translate { try NodeRegistry(store).all() }
        for node in topology.nodes where node.managed {
            keys[node.name] = records[node.name]?.keys[generation]
        }
        return keys
    }

    /// The managed nodes' public SSH keys for tunnels, of one set, as far as the nodes have told them.
    public func sshKeys(
        of topology: Topology, generation: Int
    ) throws(ControllerError) -> [String: SSHNodeKeys] {
        guard let store else { return [:] }
        let records = try Self.translate { try NodeRegistry(store).all() }
        var keys: [String: SSHNodeKeys] = [:]
        for node in topology.nodes where node.managed {
            keys[node.name] = records[node.name]?.sshKeys?[generation]
        }
        return keys
    }

    /// The public halves of every SSH host key that a managed node has told, of all sets: while keys are being changed
    /// there are two.
    func allHostKeys(of topology: Topology) throws(ControllerError) -> [String: [PublicKey]] {
        guard let store else { return [:] }
        let records = try Self.translate { try NodeRegistry(store).all() }
        var keys: [String: [PublicKey]] = [:]
        for node in topology.nodes where node.managed {
            keys[node.name] = (records[node.name]?.sshKeys ?? [:]).values.map(\.host)
        }
        return keys
    }

    /// Has a node's keys of one set stand for another set as well.
    ///
    /// The node does the same with its WireGuard key once a document says so; SSH keys it finds by themselves.
    /// *Idempotency:* as often as wanted.
    func carryKeys(
        of name: String, wireguard: RotationPlan.Turn?, ssh: RotationPlan.Turn?
    ) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            try NodeRegistry(store).update(name) { record in
                if let wireguard, let key = record.keys[wireguard.from] {
                    record.keys[wireguard.to] = key
                    let mailKey = record.mailKeys?[wireguard.from]
                    record.mailKeys?[wireguard.to] = mailKey
                }
                if let ssh, let keys = record.sshKeys?[ssh.from] { record.sshKeys?[ssh.to] = keys }
            }
        }
    }

    /// Forgets a node's keys of these sets: no document names it by them any more.
    func dropKeys(
        of name: String, wireguard: Int?, ssh: Int? = nil
    ) throws(ControllerError) {
        let store = try storeForWriting()
        guard try Self.translate({ try NodeRegistry(store).node(name) }) != nil else { return }
        try Self.translate {
            try NodeRegistry(store).update(name) { record in
                if let wireguard {
                    record.keys[wireguard] = nil
                    record.mailKeys?[wireguard] = nil
                }
                if let ssh { record.sshKeys?[ssh] = nil }
            }
        }
    }

    /// The next revision for each of these nodes, above what it has taken already; kept before it is used.
    public func nextRevisions(
        above highest: [String: UInt64]
    ) throws(ControllerError) -> [String: UInt64] {
        let store = try storeForWriting()
        return try Self.translate {
            try NodeRegistry(store).nextRevisions(for: Array(highest.keys), above: highest)
        }
    }

    /// Whether a node of this name was ever enrolled and not forgotten since.
    func isKnown(_ name: String) throws(ControllerError) -> Bool {
        guard let store else { return false }
        return try Self.translate { try NodeRegistry(store).node(name)?.keys.isEmpty == false }
    }

    /// Nodes that were once brought up and are no longer managed by the topology.
    public func formerNodes(besides topology: Topology) throws(ControllerError) -> [Node] {
        guard let store else { return [] }
        let names = topology.managedNames
        return try Self.translate {
            try store.list("connect/").compactMap { entry in
                let name = String(entry.key.dropFirst("connect/".count))
                guard !names.contains(name),
                    let way = ConnectRecord(text: String(decoding: entry.value, as: UTF8.self))
                else { return nil }
                return Node(name: name, connect: way.connect, hostKey: way.hostKey)
            }
        }
    }

    /// Forgets a node that is clean: its keys, its revision, its preshared keys. Its addresses stay reserved.
    public func forget(_ name: String) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            let registry = PresharedKeyRegistry(store)
            for generation in try registry.generations() {
                let pairs = try registry.all(generation: generation).keys.filter {
                    $0.a == name || $0.b == name
                }
                try registry.remove(Array(pairs), generation: generation)
            }
            try NodeRegistry(store).remove(name)
            try store.delete("connect/\(name)")
        }
    }
}
