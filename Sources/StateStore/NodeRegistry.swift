public import MeshModel

/// What the controller knows of each node: public things only.
public struct NodeRecord: Codable, Sendable, Equatable {
    /// The public key for each generation the node has one for.
    public var keys: [Int: PublicKey]
    /// The public SSH keys for each set the node has; nil in a record from before there were any.
    public var sshKeys: [Int: SSHNodeKeys]?
    /// The public mail key of each set the node has one for; nil in a record from before there were any.
    public var mailKeys: [Int: PublicKey]?
    /// The document that the node was last given, by hand or as mail; nil where nobody noted it.
    public var handed: Handed?
    /// The revision of the last document that was signed for it; the next one is greater.
    public var revision: UInt64
    /// When it last answered. *Units:* seconds since 1970.
    public var lastSeen: Double?
    /// The version of the program on it.
    public var program: String?

    /// Which document a node was last given, and how.
    public struct Handed: Codable, Sendable, Equatable {
        /// Its revision.
        public var revision: UInt64
        /// A digest of what it wants of the node, whatever its revision.
        public var digest: String
        /// When it was left as mail; nil where the node itself has confirmed it. *Units:* seconds since 1970.
        public var mailedAt: Double?

        /// Gathers the parts.
        public init(revision: UInt64, digest: String, mailedAt: Double? = nil) {
            self.revision = revision
            self.digest = digest
            self.mailedAt = mailedAt
        }
    }

    /// A node about which nothing is known yet, or what is.
    public init(
        keys: [Int: PublicKey] = [:], revision: UInt64 = 0, lastSeen: Double? = nil,
        program: String? = nil
    ) {
        self.keys = keys
        self.revision = revision
        self.lastSeen = lastSeen
        self.program = program
    }
}

/// The nodes by name. *Shape:* `node/NODE`.
public struct NodeRegistry: Sendable {
    private let store: any KeyValueStore

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// Every node.
    public func all() throws(StoreError) -> [String: NodeRecord] {
        var found: [String: NodeRecord] = [:]
        for entry in try store.list(Self.prefix) {
            found[String(entry.key.dropFirst(Self.prefix.count))] = try Record.decode(
                NodeRecord.self, entry.value, key: entry.key)
        }
        return found
    }

    /// One node, or nil.
    public func node(_ name: String) throws(StoreError) -> NodeRecord? {
        let key = try Self.key(name)
        return try store.get(key).map { (found) throws(StoreError) in
            try Record.decode(NodeRecord.self, found.value, key: key)
        }
    }

    /// Changes one node, known or new; `body` is called again where somebody else was faster.
    public func update(
        _ name: String, _ body: (inout NodeRecord) -> Void
    ) throws(StoreError) {
        let key = try Self.key(name)
        try store.update(key) { (bytes) throws(StoreError) in
            var record = NodeRecord()
            if let bytes { record = try Record.decode(NodeRecord.self, bytes, key: key) }
            body(&record)
            return try Record.encode(record)
        }
    }

    /// Counts the revisions of all these nodes up by one and gives the new ones, in one commit.
    ///
    /// A revision is on the disk before anything is signed with it, so none is ever used twice. `atLeast` is what a
    /// node says it took already; the new one is above that as well, so that a lost state can be made up for.
    public func nextRevisions(
        for names: [String], above atLeast: [String: UInt64] = [:]
    ) throws(StoreError) -> [String: UInt64] {
        var revisions: [String: UInt64] = [:]
        var changes: [StoreChange] = []
        for name in Set(names).sorted() {
            let key = try Self.key(name)
            let found = try store.get(key)
            var record = NodeRecord()
            if let found { record = try Record.decode(NodeRecord.self, found.value, key: key) }
            let (next, overflow) = max(record.revision, atLeast[name] ?? 0).addingReportingOverflow(
                1)
            if overflow {
                throw StoreError(
                    .malformed, "count revision", name, "the node's revision is at its greatest",
                    hint: "remove the node with `meshproof peer rm` and add it again")
            }
            record.revision = next
            revisions[name] = next
            changes.append(
                StoreChange(
                    key, .put(try Record.encode(record)),
                    expecting: found.map { .version($0.version) } ?? .absent))
        }
        if !changes.isEmpty { try store.commit(changes) }
        return revisions
    }

    /// Forgets a node; one that is not known is fine.
    public func remove(_ name: String) throws(StoreError) {
        try store.delete(try Self.key(name))
    }

    private static let prefix = "node/"

    private static func key(_ name: String) throws(StoreError) -> String {
        prefix + (try KeyRules.part(name))
    }
}
