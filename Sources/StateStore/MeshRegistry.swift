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

    private static let key = "mesh/identity"
}
