public import MeshModel

/// Which keys are in use, and the rotation that is open. *Shape:* `rotation/generations`, `rotation/open`; its steps
/// are in the ``Journal``.
public struct RotationRegistry: Sendable {
    private let store: any KeyValueStore

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// The sets of keys in use; set 0 of each where nothing was noted.
    public func generations() throws(StoreError) -> KeyGenerations {
        guard let found = try store.get(Self.generationsKey) else { return KeyGenerations() }
        return try Record.decode(
            KeyGenerations.self, found.value, key: Self.generationsKey)
    }

    /// Notes the sets in use where nothing was noted yet.
    public func settle(_ generations: KeyGenerations) throws(StoreError) {
        let bytes = try Record.encode(generations)
        _ = try store.settle(Self.generationsKey) { bytes }
    }

    /// Notes the sets in use, whatever was noted.
    public func change(_ generations: KeyGenerations) throws(StoreError) {
        try store.put(Self.generationsKey, try Record.encode(generations))
    }

    /// The rotation that was begun and not ended, or nil.
    public func open() throws(StoreError) -> RotationPlan? {
        guard let found = try store.get(Self.openKey) else { return nil }
        return try Record.decode(RotationPlan.self, found.value, key: Self.openKey)
    }

    /// Keeps a rotation as the one that is open.
    ///
    /// *Throws:* ``StoreError`` `conflict` where another one is.
    public func begin(_ plan: RotationPlan) throws(StoreError) {
        try store.put(Self.openKey, try Record.encode(plan), expecting: .absent)
    }

    /// Keeps another wish of the open rotation.
    public func change(_ plan: RotationPlan) throws(StoreError) {
        try store.put(Self.openKey, try Record.encode(plan))
    }

    /// Ends the open rotation, and notes the sets that are in use from now on, in one commit.
    public func end(_ generations: KeyGenerations) throws(StoreError) {
        try store.commit([
            StoreChange(Self.generationsKey, .put(try Record.encode(generations))),
            StoreChange(Self.openKey, .delete),
        ])
    }

    private static let generationsKey = "rotation/generations"
    private static let openKey = "rotation/open"
}
