import Synchronization

/// A store that forgets: what `plan` sees before there is a state, and what tests use.
public final class MemoryStore: KeyValueStore {
    private let state = Mutex((entries: [String: VersionedValue](), version: UInt64(0)))

    /// An empty store.
    public init() {}

    /// The value at `key`, or nil.
    public func get(_ key: String) throws(StoreError) -> VersionedValue? {
        state.withLock { $0.entries[key] }
    }

    /// All whose key begins with `prefix`, in the order of their keys' bytes.
    public func list(_ prefix: String) throws(StoreError) -> [VersionedEntry] {
        state.withLock { state in
            state.entries.filter { $0.key.utf8.starts(with: prefix.utf8) }
                .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map {
                    VersionedEntry(key: $0.key, value: $0.value.value, version: $0.value.version)
                }
        }
    }

    /// Makes all changes, or none where one expectation does not hold.
    @discardableResult
    public func commit(_ changes: [StoreChange]) throws(StoreError) -> UInt64 {
        try KeyRules.check(changes)
        return try state.withLock { (state) throws(StoreError) in
            for change in changes {
                let found = state.entries[change.key]?.version
                switch change.expecting {
                case .anything: break
                case .absent: if found != nil { throw KeyRules.conflict(change.key) }
                case .version(let version):
                    if found != version { throw KeyRules.conflict(change.key) }
                }
            }
            state.version += 1
            for change in changes {
                switch change.action {
                case .put(let value):
                    state.entries[change.key] = VersionedValue(value: value, version: state.version)
                case .delete: state.entries[change.key] = nil
                case .check: break
                }
            }
            return state.version
        }
    }
}
