/// Sealed secrets by name: the controller's signing key and the like. *Shape:* `secret/NAME`.
public struct SecretRegistry: Sendable {
    private let store: any KeyValueStore

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// Every sealed secret by name.
    public func all() throws(StoreError) -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for entry in try store.list(Self.prefix) {
            found[String(entry.key.dropFirst(Self.prefix.count))] = entry.value
        }
        return found
    }

    /// One sealed secret, or nil.
    public func sealed(_ name: String) throws(StoreError) -> [UInt8]? {
        try store.get(try Self.key(name))?.value
    }

    /// Keeps a new secret; whoever comes second gets the first one's.
    public func settle(
        _ name: String, _ make: () throws(StoreError) -> [UInt8]
    ) throws(StoreError) -> [UInt8] {
        try store.settle(try Self.key(name), make)
    }

    /// Puts sealed secrets in the place of others, all in one commit.
    public func replace(_ secrets: [String: [UInt8]]) throws(StoreError) {
        var changes: [StoreChange] = []
        for (name, sealed) in secrets.sorted(by: { $0.key < $1.key }) {
            changes.append(StoreChange(try Self.key(name), .put(sealed)))
        }
        if !changes.isEmpty { try store.commit(changes) }
    }

    /// The change that puts a sealed secret in the place of another, for a commit with more in it.
    public func change(_ name: String, to sealed: [UInt8]) throws(StoreError) -> StoreChange {
        StoreChange(try Self.key(name), .put(sealed))
    }

    /// Forgets a secret; one that is not known is fine.
    public func remove(_ name: String) throws(StoreError) {
        try store.delete(try Self.key(name))
    }

    private static let prefix = "secret/"

    private static func key(_ name: String) throws(StoreError) -> String {
        prefix + (try KeyRules.part(name))
    }
}
