public import MeshModel
public import NodeProtocol
import Secrets
import StateStore

extension ControllerState {
    /// The names of the preshared keys of these pairs, as far as they are made.
    public func presharedKeyIDs(
        for pairs: [Peering], generation: Int
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        guard let store else { return [:] }
        return try Self.translate {
            try PresharedKeyRegistry(store).all(generation: generation).mapValues(\.id)
        }
    }

    /// As ``presharedKeyIDs(for:generation:)``, for every set of a layout, from where it has them.
    func presharedKeyIDs(
        for pairs: [Peering], _ layout: RotationLayout
    ) throws(ControllerError) -> [Int: [Peering: PresharedKeyID]] {
        var found: [Int: [Peering: PresharedKeyID]] = [:]
        for generation in layout.generations {
            for (slot, pairs) in Self.bySlot(pairs, layout, generation) {
                let known = try presharedKeyIDs(for: pairs, generation: slot)
                for pair in pairs { found[generation, default: [:]][pair] = known[pair] }
            }
        }
        return found
    }

    /// As ``ensurePresharedKeys(for:generation:)``, for one set of a layout, where it has them.
    func ensurePresharedKeys(
        for pairs: [Peering], generation: Int, _ layout: RotationLayout
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        var found: [Peering: PresharedKeyID] = [:]
        for (slot, pairs) in Self.bySlot(pairs, layout, generation) {
            let known = try ensurePresharedKeys(for: pairs, generation: slot)
            for pair in pairs { found[pair] = known[pair] }
        }
        return found
    }

    private static func bySlot(
        _ pairs: [Peering], _ layout: RotationLayout, _ generation: Int
    ) -> [Int: [Peering]] {
        Dictionary(
            grouping: pairs, by: { layout.presharedSlot(of: $0, generation: generation) })
    }

    /// The names of the preshared keys of these pairs; missing keys are made, sealed and kept first.
    public func ensurePresharedKeys(
        for pairs: [Peering], generation: Int
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        let opened = try writer()
        let registry = PresharedKeyRegistry(try storeForWriting())
        var known = try presharedKeyIDs(for: pairs, generation: generation)
        let missing = pairs.filter { known[$0] == nil }
        if missing.isEmpty { return known }
        return try Self.translate {
            let keys = try PresharedKeys.generate(count: missing.count)
            let ids = missing.indices.compactMap { index in
                SecretSlice(keys, width: PresharedKeys.width, at: index).map(PresharedKeys.identify)
            }
            let named = Array(zip(missing, ids))
            let sealed = try opened.vault.sealMany(
                keys, width: PresharedKeys.width, names: named.map { sealName($0, $1, generation) })
            var entries: [Peering: PresharedKeyRegistry.Entry] = [:]
            for ((pair, id), blob) in zip(named, sealed) {
                entries[pair] = PresharedKeyRegistry.Entry(id: id, sealed: blob)
                known[pair] = id
            }
            try registry.add(entries, generation: generation)
            return known
        }
    }

    /// The preshared keys that a document names, opened for their way to the node: encode and send them at once.
    public func presharedKeys(
        in document: NodeDocument
    ) throws(ControllerError) -> [PresharedKeyPayload] {
        try openPresharedKeys(in: document).map {
            PresharedKeyPayload(id: $0.id, key: SecretText.encode($0.key))
        }
    }

    /// The preshared keys that a document names, in the order of its peers.
    func openPresharedKeys(
        in document: NodeDocument
    ) throws(ControllerError) -> [(id: PresharedKeyID, key: SecretBytes)] {
        let opened = try writer()
        let registry = PresharedKeyRegistry(try storeForWriting())
        let layout = layout
        return try Self.translate {
            var keys: [(id: PresharedKeyID, key: SecretBytes)] = []
            let all = document.interfaces.flatMap { interface in
                interface.peers.filter { $0.presharedKey != nil }.map { (interface.generation, $0) }
            }
            for (generation, peer) in all {
                let pair = Peering(document.node, peer.node)
                let slot = layout.presharedSlot(of: pair, generation: generation)
                guard let entry = try registry.entry(of: pair, generation: slot) else {
                    throw ControllerError(
                        .state, "the preshared key of \(pair.a) and \(pair.b) is missing",
                        hint: "run meshproof up again")
                }
                if entry.id != peer.presharedKey {
                    throw ControllerError(
                        .state,
                        "the preshared key of \(pair.a) and \(pair.b) has changed meanwhile",
                        hint: "run meshproof up again")
                }
                let key = try opened.vault.open(
                    entry.sealed, name: sealName(pair, entry.id, slot))
                keys.append((entry.id, key))
            }
            return keys
        }
    }

    /// What a key is sealed under. The id is part of it, so that the one that is kept beside the sealed key, in clear,
    /// cannot be changed without notice.
    private func sealName(
        _ pair: Peering, _ id: PresharedKeyID, _ generation: Int
    ) -> String {
        "psk/\(generation)/\(pair.a)/\(pair.b)/\(id.rawValue)"
    }

    /// The same, from the store's key and the id before the sealed key.
    static func sealName(presharedKey key: String, id: [UInt8]) -> String {
        "\(key)/\(Base64.hex(id))"
    }

    /// Forgets the preshared keys of a generation that is over, or those of some of its pairs.
    func forgetPresharedKeys(
        generation: Int, of isMeant: (Peering) -> Bool = { _ in true }
    ) throws(ControllerError) {
        let registry = PresharedKeyRegistry(try storeForWriting())
        try Self.translate {
            let pairs = try registry.all(generation: generation).keys.filter(isMeant)
            try registry.remove(Array(pairs), generation: generation)
        }
    }

    /// Puts preshared keys that were kept aside in the place of the old ones, which are lost with it.
    ///
    /// *Idempotency:* what was put there already is put there again; the ones aside stay until they are forgotten.
    func settlePresharedKeys(_ turn: RotationPlan.Turn) throws(ControllerError) {
        let opened = try writer()
        let registry = PresharedKeyRegistry(try storeForWriting())
        try Self.translate {
            var entries: [Peering: PresharedKeyRegistry.Entry] = [:]
            for (pair, entry) in try registry.all(generation: turn.to) {
                // A key is sealed under the number that it is kept under.
                let key = try opened.vault.open(
                    entry.sealed, name: sealName(pair, entry.id, turn.to))
                entries[pair] = PresharedKeyRegistry.Entry(
                    id: entry.id,
                    sealed: try opened.vault.seal(
                        key, name: sealName(pair, entry.id, turn.from)))
            }
            try registry.replace(entries, generation: turn.from)
        }
    }
}
