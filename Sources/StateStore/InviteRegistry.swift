/// What is kept of a token: never its secret.
public struct InviteRecord: Codable, Sendable, Equatable {
    /// For which node.
    public var node: String
    /// The hash of the proof that its holder shows, in hexadecimal.
    public var proof: String
    /// When it is over. *Units:* seconds since 1970.
    public var expires: Int64
    /// When somebody came with it; nil while nobody has. *Units:* seconds since 1970.
    public var usedAt: Double?

    /// A token that nobody has used.
    public init(node: String, proof: String, expires: Int64) {
        self.node = node
        self.proof = proof
        self.expires = expires
    }
}

/// Tokens for nodes that join by themselves. *Shape:* `invite/ID`, the id in hexadecimal.
public struct InviteRegistry: Sendable {
    private let store: any KeyValueStore

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// Notes a new token, and forgets all of the same node and those that are long over: none of them can be used again.
    public func open(_ record: InviteRecord, id: String, now: Int64) throws(StoreError) {
        var changes = [
            StoreChange(
                Self.prefix + (try KeyRules.part(id)), .put(try Record.encode(record)),
                expecting: .absent)
        ]
        for entry in try store.list(Self.prefix) where entry.key != changes[0].key {
            let known = try? Record.decode(InviteRecord.self, entry.value, key: entry.key)
            let isOver = known.map { $0.node == record.node || $0.expires + 86_400 < now } ?? true
            if isOver { changes.append(StoreChange(entry.key, .delete)) }
        }
        try store.commit(changes)
    }

    /// What is noted of a token; nil where it is not known.
    public func record(_ id: String) throws(StoreError) -> InviteRecord? {
        let key = Self.prefix + (try KeyRules.part(id))
        guard let found = try store.get(key) else { return nil }
        return try Record.decode(InviteRecord.self, found.value, key: key)
    }

    /// Uses a token up, and is on the disk when this returns: true for one caller only, whoever else asks at the same
    /// time or after a crash.
    public func use(_ id: String, at now: Double) throws(StoreError) -> Bool {
        let key = Self.prefix + (try KeyRules.part(id))
        guard let found = try store.get(key) else { return false }
        var record = try Record.decode(InviteRecord.self, found.value, key: key)
        if record.usedAt != nil || Double(record.expires) <= now { return false }
        record.usedAt = now
        do throws(StoreError) {
            try store.put(key, try Record.encode(record), expecting: .version(found.version))
            return true
        } catch {
            if error.code == .conflict { return false }
            throw error
        }
    }

    /// Makes a token unusable where nobody has used it. *Idempotency:* one that is not known is fine.
    public func close(_ id: String) throws(StoreError) {
        try store.delete(Self.prefix + (try KeyRules.part(id)))
    }

    private static let prefix = "invite/"
}
