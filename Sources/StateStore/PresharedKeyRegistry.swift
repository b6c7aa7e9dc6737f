public import MeshModel

/// The preshared keys of node pairs, sealed; only the vault's key opens them.
///
/// *Shape:* `psk/GENERATION/A/B` with A before B holds 16 bytes of ``MeshModel/PresharedKeyID`` and then the sealed key.
/// A pair keeps its key whatever happens to other nodes.
public struct PresharedKeyRegistry: Sendable {
    private let store: any KeyValueStore

    /// One pair's key.
    public struct Entry: Sendable, Equatable {
        /// Its name, so that planning needs no key opened.
        public let id: PresharedKeyID
        /// The key as the vault sealed it.
        public let sealed: [UInt8]

        /// Pairs a name with a sealed key.
        public init(id: PresharedKeyID, sealed: [UInt8]) {
            self.id = id
            self.sealed = sealed
        }
    }

    /// The registry in a store.
    public init(_ store: any KeyValueStore) {
        self.store = store
    }

    /// All keys of a generation.
    public func all(generation: Int) throws(StoreError) -> [Peering: Entry] {
        let prefix = "psk/\(generation)/"
        let entries = try store.list(prefix)
        var found: [Peering: Entry] = [:]
        found.reserveCapacity(entries.count)
        for entry in entries {
            let names = entry.key.utf8.dropFirst(prefix.utf8.count)
                .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard names.count == 2 else { throw Self.malformed(entry.key) }
            let pair = Peering(String(Substring(names[0])), String(Substring(names[1])))
            found[pair] = try Self.decode(entry.value, key: entry.key)
        }
        return found
    }

    /// One pair's key, or nil.
    public func entry(of pair: Peering, generation: Int) throws(StoreError) -> Entry? {
        let key = try Self.key(pair, generation)
        return try store.get(key).map { (found) throws(StoreError) in
            try Self.decode(found.value, key: key)
        }
    }

    /// Keeps new keys, all in one commit.
    ///
    /// *Throws:* ``StoreError`` `conflict` where a pair has a key already: a key in use is never overwritten.
    public func add(_ entries: [Peering: Entry], generation: Int) throws(StoreError) {
        try put(entries, generation: generation, expecting: .absent)
    }

    /// Puts sealed keys in the place of others, for the same keys sealed anew.
    public func replace(_ entries: [Peering: Entry], generation: Int) throws(StoreError) {
        try put(entries, generation: generation, expecting: .anything)
    }

    /// Forgets the keys of these pairs; what is not known is fine.
    public func remove(_ pairs: [Peering], generation: Int) throws(StoreError) {
        var changes: [StoreChange] = []
        for pair in pairs { changes.append(StoreChange(try Self.key(pair, generation), .delete)) }
        if !changes.isEmpty { try store.commit(changes) }
    }

    /// The generations that have keys.
    public func generations() throws(StoreError) -> [Int] {
        var found: [Int] = []
        // DESIGN counts generations 0 to 9 in turn.
        for generation in 0...9 where !(try store.list("psk/\(generation)/").isEmpty) {
            found.append(generation)
        }
        return found
    }

    private func put(
        _ entries: [Peering: Entry], generation: Int, expecting: Expectation
    ) throws(StoreError) {
        var changes: [StoreChange] = []
        changes.reserveCapacity(entries.count)
        for (pair, entry) in entries {
            let key = try Self.key(pair, generation)
            guard let id = Base64.unhex(entry.id.rawValue), id.count == 16 else {
                throw Self.malformed(key)
            }
            changes.append(StoreChange(key, .put(id + entry.sealed), expecting: expecting))
        }
        // In the table's own order, each page is written once.
        changes.sort { $0.key < $1.key }
        if !changes.isEmpty { try store.commit(changes) }
    }

    private static func key(_ pair: Peering, _ generation: Int) throws(StoreError) -> String {
        "psk/\(generation)/\(try KeyRules.part(pair.a))/\(try KeyRules.part(pair.b))"
    }

    private static func decode(_ value: [UInt8], key: String) throws(StoreError) -> Entry {
        guard value.count > 16 else { throw malformed(key) }
        return Entry(
            id: PresharedKeyID(rawValue: Base64.hex(value.prefix(16))),
            sealed: Array(value.dropFirst(16)))
    }

    private static func malformed(_ key: String) -> StoreError {
        StoreError(
            .malformed, "preshared key", key, "is not a name and a sealed key",
            hint: "restore the state from a backup")
    }
}
