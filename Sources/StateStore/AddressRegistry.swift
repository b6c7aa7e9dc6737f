public import MeshModel

/// Which node has which overlay addresses. An address never moves to another node by itself.
///
/// *Shape:* `address/node/NODE` holds the node's addresses, `address/taken/ADDRESS` the node's name, so that no two
/// operators can give the same address away.
public struct AddressRegistry: Sendable {
    private let store: any KeyValueStore

    /// What one node was given.
    public struct Allocation: Codable, Sendable, Equatable {
        /// Its addresses, in the order they were given.
        public var addresses: [IPAddress]
        /// When it left the topology: its addresses stay taken until ``AddressRegistry/release(_:)``. *Units:* seconds
        /// since 1970.
        public var retiredAt: Double?

        /// Gathers the parts.
        public init(addresses: [IPAddress], retiredAt: Double? = nil) {
            self.addresses = addresses
            self.retiredAt = retiredAt
        }
    }

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// Every allocation by node, those of retired nodes too.
    public func all() throws(StoreError) -> [String: Allocation] {
        var found: [String: Allocation] = [:]
        for entry in try store.list(Self.nodes) {
            found[String(entry.key.dropFirst(Self.nodes.count))] = try Record.decode(
                Allocation.self, entry.value, key: entry.key)
        }
        return found
    }

    /// Keeps the addresses of all these nodes in one commit; a retired node among them is back.
    ///
    /// *Idempotency:* what is kept already is left alone. A node may get further addresses.
    /// *Throws:* ``StoreError`` `addressTaken` where an address is another node's, or a node would lose one.
    public func keep(_ addresses: [String: [IPAddress]]) throws(StoreError) {
        let before = try store.list(Self.nodes)
        var known: [String: (Allocation, UInt64)] = [:]
        var owners: [IPAddress: String] = [:]
        for entry in before {
            let node = String(entry.key.dropFirst(Self.nodes.count))
            let allocation = try Record.decode(Allocation.self, entry.value, key: entry.key)
            known[node] = (allocation, entry.version)
            for address in allocation.addresses { owners[address] = node }
        }
        var changes: [StoreChange] = []
        for (node, wanted) in addresses.sorted(by: { $0.key < $1.key }) {
            let old = known[node]
            if let old, old.0.addresses == wanted, old.0.retiredAt == nil { continue }
            if let lost = old?.0.addresses.first(where: { !wanted.contains($0) }) {
                throw StoreError(
                    .addressTaken, "keep addresses", node, "would lose \(lost)",
                    hint: "remove the node and release its addresses first")
            }
            for address in wanted {
                if let owner = owners[address], owner != node {
                    throw Self.taken(address, owner, node)
                }
                if owners.updateValue(node, forKey: address) == nil {
                    changes.append(
                        StoreChange(
                            Self.takenKey(address), .put(Array(node.utf8)), expecting: .absent))
                }
            }
            changes.append(
                StoreChange(
                    Self.nodes + (try KeyRules.part(node)),
                    .put(try Record.encode(Allocation(addresses: wanted))),
                    expecting: old.map { .version($0.1) } ?? .absent))
        }
        if !changes.isEmpty { try store.commit(changes) }
    }

    /// Marks a node as gone; its addresses stay its own. A node that is not known is fine.
    public func retire(_ node: String, at now: Double) throws(StoreError) {
        let key = Self.nodes + (try KeyRules.part(node))
        try store.update(key) { (bytes) throws(StoreError) in
            guard let bytes else { return nil }
            var allocation = try Record.decode(Allocation.self, bytes, key: key)
            if allocation.retiredAt == nil { allocation.retiredAt = now }
            return try Record.encode(allocation)
        }
    }

    /// Gives a node's addresses back, for others to have. A node that is not known is fine.
    public func release(_ node: String) throws(StoreError) {
        let key = Self.nodes + (try KeyRules.part(node))
        guard let found = try store.get(key) else { return }
        let allocation = try Record.decode(Allocation.self, found.value, key: key)
        try store.commit(
            [StoreChange(key, .delete, expecting: .version(found.version))]
                + allocation.addresses.map { StoreChange(Self.takenKey($0), .delete) })
    }

    private static let nodes = "address/node/"

    private static func takenKey(_ address: IPAddress) -> String { "address/taken/\(address)" }

    private static func taken(_ address: IPAddress, _ owner: String, _ node: String) -> StoreError {
        StoreError(
            .addressTaken, "keep addresses", node, "\(address) belongs to \(owner)",
            hint: "choose another address, or remove \(owner) and release its addresses")
    }
}
