/// Keyed, versioned values with compare-and-swap: all that the registries need of a store.
///
/// It asks for no more than etcd's transactions give (compare the version of keys, then put or delete), so that a
/// store for many operators can stand behind the same registries.
public protocol KeyValueStore: Sendable {
    /// The value at `key`, or nil.
    func get(_ key: String) throws(StoreError) -> VersionedValue?

    /// All whose key begins with `prefix`, in the order of their keys' bytes.
    func list(_ prefix: String) throws(StoreError) -> [VersionedEntry]

    /// Makes all changes, or none where one expectation does not hold; the new version of all keys put.
    ///
    /// *Throws:* ``StoreError`` `conflict` naming the key whose expectation does not hold, `invalidKey` for a bad key
    /// or for one that is there twice.
    @discardableResult
    func commit(_ changes: [StoreChange]) throws(StoreError) -> UInt64
}

/// A value and when it was last changed.
public struct VersionedValue: Sendable, Equatable {
    /// The bytes.
    public let value: [UInt8]
    /// Grows with every commit to the store, so that a key deleted and made again never has an old one.
    public let version: UInt64

    /// Pairs a value with its version.
    public init(value: [UInt8], version: UInt64) {
        self.value = value
        self.version = version
    }
}

/// A key with its value.
public struct VersionedEntry: Sendable, Equatable {
    /// 1 to 512 printable ASCII characters; parts are set apart by `/`.
    public let key: String
    /// The bytes.
    public let value: [UInt8]
    /// As ``VersionedValue/version``.
    public let version: UInt64

    /// Gathers the parts.
    public init(key: String, value: [UInt8], version: UInt64) {
        self.key = key
        self.value = value
        self.version = version
    }
}

/// What must be true of a key for a change to be made.
public enum Expectation: Sendable, Equatable {
    /// Nothing: the last writer wins.
    case anything
    /// That it is not there.
    case absent
    /// That it is there and was last changed at this version.
    case version(UInt64)
}

/// One change of a commit.
public struct StoreChange: Sendable, Equatable {
    /// What to do with a key.
    public enum Action: Sendable, Equatable {
        /// Sets its value.
        case put([UInt8])
        /// Removes it; one that is not there is fine.
        case delete
        /// Leaves it alone and only checks the expectation.
        case check
    }

    /// Which key.
    public let key: String
    /// What to do with it.
    public let action: Action
    /// What must be true of it before.
    public let expecting: Expectation

    /// Gathers the parts.
    public init(_ key: String, _ action: Action, expecting: Expectation = .anything) {
        self.key = key
        self.action = action
        self.expecting = expecting
    }
}

extension KeyValueStore {
    /// Sets one value; its new version.
    @discardableResult
    public func put(
        _ key: String, _ value: [UInt8], expecting: Expectation = .anything
    ) throws(StoreError) -> UInt64 {
        try commit([StoreChange(key, .put(value), expecting: expecting)])
    }

    /// Removes one value; one that is not there is fine where nothing is expected.
    public func delete(_ key: String, expecting: Expectation = .anything) throws(StoreError) {
        try commit([StoreChange(key, .delete, expecting: expecting)])
    }

    /// The value at `key`, made by `make` where there is none yet; whoever comes second gets the first one's.
    public func settle(_ key: String, _ make: () throws(StoreError) -> [UInt8]) throws(StoreError)
        -> [UInt8]
    {
        if let found = try get(key) { return found.value }
        let made = try make()
        do throws(StoreError) {
            try put(key, made, expecting: .absent)
            return made
        } catch {
            if error.code == .conflict, let found = try get(key) { return found.value }
            throw error
        }
    }

    /// Changes one value as `body` says, again where somebody else was faster; nil removes it.
    public func update(
        _ key: String, _ body: ([UInt8]?) throws(StoreError) -> [UInt8]?
    ) throws(StoreError) {
        // Each round is lost to somebody who won, so a mesh's operators get here in a few.
        var rounds = 100
        while true {
            let before = try get(key)
            let after = try body(before?.value)
            if after == before?.value { return }
            do throws(StoreError) {
                try commit([
                    StoreChange(
                        key, after.map { .put($0) } ?? .delete,
                        expecting: before.map { .version($0.version) } ?? .absent)
                ])
                return
            } catch {
                rounds -= 1
                if error.code != .conflict || rounds == 0 { throw error }
            }
        }
    }
}

/// What keys look like, for every implementation of ``KeyValueStore``.
enum KeyRules {
    static let longest = 512

    static func check(_ changes: [StoreChange]) throws(StoreError) {
        var seen: Set<String> = []
        if changes.count > 1 { seen.reserveCapacity(changes.count) }
        for change in changes {
            let bytes = change.key.utf8
            guard !bytes.isEmpty, bytes.count <= longest, isPrintable(change.key) else {
                throw StoreError(
                    .invalidKey, "commit", change.key.debugDescription,
                    "not 1 to \(longest) printable ASCII characters",
                    hint: "use names that are DNS labels")
            }
            if changes.count > 1 && !seen.insert(change.key).inserted {
                throw StoreError(
                    .invalidKey, "commit", change.key, "is changed twice in one commit",
                    hint: "make one change of the two")
            }
        }
    }

    static func isPrintable(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// One part of a key, taken from a name; a slash in it would reach into another part.
    static func part(_ name: String) throws(StoreError) -> String {
        guard !name.isEmpty, isPrintable(name), !name.utf8.contains(UInt8(ascii: "/")) else {
            throw StoreError(
                .invalidKey, "name", name.debugDescription, "cannot be part of a key",
                hint: "use a DNS label: letters, digits and hyphens")
        }
        return name
    }

    static func conflict(_ key: String) -> StoreError {
        StoreError(
            .conflict, "commit", key, "was changed by somebody else meanwhile",
            hint: "run the command again")
    }
}
