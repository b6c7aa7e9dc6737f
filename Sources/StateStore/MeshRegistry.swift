public import MeshModel

/// What a mesh has once. *Shape:* `mesh/…`.
public struct MeshRegistry: Sendable {
    private let store: any KeyValueStore

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// The mesh's identity, 32 hexadecimal digits, or nil before it was made.
    public func identity() throws(StoreError) -> String? {
        try store.get(Self.key).map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// The mesh's identity, `made` where there is none yet.
    public func settleIdentity(_ made: String) throws(StoreError) -> String {
        String(decoding: try store.settle(Self.key) { Array(made.utf8) }, as: UTF8.self)
    }

    /// The controller's public key as it was last written down, or nil.
    ///
    /// Beside the sealed private key, so that receipts can be checked without opening any secret.
    public func controllerKey() throws(StoreError) -> PublicKey? {
        try store.get(Self.controllerKeyKey).flatMap {
            PublicKey(String(decoding: $0.value, as: UTF8.self))
        }
    }

    /// Writes the controller's public key down. *Idempotency:* the one that is there already costs no commit.
    public func note(controllerKey key: PublicKey) throws(StoreError) {
        try store.update(Self.controllerKeyKey) { _ in Array(key.description.utf8) }
    }

    /// The changes of the controller's key, oldest first: a node that was away follows them.
    public func successions() throws(StoreError) -> [KeySuccession] {
        var found: [KeySuccession] = []
        for entry in try store.list(Self.successionPrefix) {
            found.append(try Record.decode(KeySuccession.self, entry.value, key: entry.key))
        }
        return found.sorted { $0.sequence < $1.sequence }
    }

    /// The changes to a store that another controller key takes, for the commit that replaces the private one.
    public func changes(for succession: KeySuccession) throws(StoreError) -> [StoreChange] {
        [
            StoreChange(
                Self.successionPrefix + "\(succession.sequence)",
                .put(try Record.encode(succession)), expecting: .absent),
            StoreChange(Self.controllerKeyKey, .put(Array(succession.newKey.description.utf8))),
        ]
    }

    private static let successionPrefix = "mesh/controller-succession/"
    private static let key = "mesh/identity"
    private static let controllerKeyKey = "mesh/controller-key"
}
