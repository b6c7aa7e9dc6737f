import LinuxSystem
public import MeshModel
public import NodeProtocol
import Secrets
import StateStore

/// What the controller remembers of one mesh: identity, addresses, nodes' public keys, and sealed secrets.
///
/// Opened for writing it makes what is missing; opened for reading it changes nothing, and may find nothing.
public final class ControllerState: Sendable {
    /// The generation of keys that is in use.
    public let generation = 0
    /// What the operator must be told, for instance that a key file was made.
    public let notice: String?

    private let mesh: String
    private let store: StateStore?
    private let opened: Opened?

    /// What only a writer has.
    private struct Opened: Sendable {
        let identity: MeshIdentity
        let signingKey: SigningKey
        let vault: Vault
    }

    /// Opens the state.
    ///
    /// *Throws:* ``ControllerError`` `busy` where another meshproof works on this mesh; `state` for all else.
    public init(
        _ folders: StateFolders, mesh: String, passphraseFile: String?, writing: Bool
    ) throws(ControllerError) {
        self.mesh = mesh
        if !writing {
            store = try Self.translate {
                try StateStore.openForReading(folder: folders.state)
            }
            opened = nil
            notice = nil
            return
        }
        let store = try Self.translate {
            try StateStore.openForWriting(folder: folders.state)
        }
        self.store = store
        let unlocked = try Self.unlock(store, folders, passphraseFile: passphraseFile)
        let vault = Vault(key: unlocked.key)
        notice = unlocked.notice
        let signingKey = try Self.signingKey(store, vault)
        let meshID = try Self.translate {
            try MeshRegistry(store).settleIdentity(Self.newMeshID())
        }
        opened = Opened(
            identity: MeshIdentity(mesh: mesh, meshID: meshID, controllerKey: signingKey.publicKey),
            signingKey: signingKey, vault: vault)
    }

    // MARK: Identity

    /// The mesh's identity. Only where the state is open for writing.
    public var identity: MeshIdentity {
        opened?.identity ?? MeshIdentity(mesh: mesh, meshID: "", controllerKey: .zero)
    }

    /// The mesh's identity number, or nil before the first `up`.
    public var knownMeshID: String? {
        opened?.identity.meshID ?? (try? store.flatMap { try MeshRegistry($0).identity() })
    }

    /// Signs a document for its node.
    public func sign(_ document: NodeDocument) throws(ControllerError) -> SignedDocument {
        let opened = try writer()
        do {
            let payload = try Wire.encode(document)
            let signature = opened.signingKey.sign(SignedDocument.context + payload)
            return SignedDocument(
                payload: Base64.encode(payload), signature: Base64.encode(signature))
        } catch { throw ControllerError(.state, "cannot encode a document: \(error.message)") }
    }

    // MARK: Addresses

    /// Every node's overlay addresses, new ones allocated and kept.
    public func allocateAddresses(
        for topology: Topology
    ) throws(ControllerError) -> [String: [IPAddress]] {
        let registry = AddressRegistry(try storeForWriting())
        let known = try knownAddresses()
        let allocation = try allocate(topology, existing: known)
        try Self.translate {
            // An address is given up only where its network has left the topology.
            for (node, wanted) in allocation.addresses {
                if known[node, default: []].contains(where: { !wanted.contains($0) }) {
                    try registry.release(node)
                }
            }
            try registry.keep(allocation.addresses)
            for node in allocation.tombstones.keys {
                try registry.retire(node, at: Clocks.wall())
            }
        }
        return allocation.addresses
    }

    /// The addresses that ``allocateAddresses(for:)`` would give. Changes nothing.
    public func previewAddresses(
        for topology: Topology
    ) throws(ControllerError) -> [String: [IPAddress]] {
        try allocate(topology, existing: try knownAddresses()).addresses
    }

    private func knownAddresses() throws(ControllerError) -> [String: [IPAddress]] {
        guard let store else { return [:] }
        return try Self.translate {
            try AddressRegistry(store).all().mapValues(\.addresses)
        }
    }

    private func allocate(
        _ topology: Topology, existing: [String: [IPAddress]]
    ) throws(ControllerError) -> OverlayAllocation {
        do { return try OverlayAllocation.allocate(topology, existing: existing) } catch {
            throw ControllerError(.state, error.description, hint: error.hint)
        }
    }

    // MARK: Nodes

    /// Keeps what a node said of itself, and how it was reached.
    public func record(_ hello: NodeHello, connect: Connect?) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            try NodeRegistry(store).update(hello.node) { record in
                record.keys = hello.keys
                record.program = hello.program
                record.lastSeen = Clocks.wall()
            }
            if let connect { try store.put("connect/\(hello.node)", Array(connect.text.utf8)) }
        }
    }

    /// Public keys of the topology's nodes for the present generation: from the topology for unmanaged nodes,
    /// from what nodes said for the others.
    public func nodeKeys(of topology: Topology) throws(ControllerError) -> [String: PublicKey] {
        var keys: [String: PublicKey] = [:]
        for node in topology.nodes { keys[node.name] = node.publicKey }
        guard let store else { return keys }
        let records = try Self.translate { try NodeRegistry(store).all() }
        for node in topology.nodes where node.managed {
            keys[node.name] = records[node.name]?.keys[generation]
        }
        return keys
    }

    /// The next revision for each of these nodes, above what it has taken already; kept before it is used.
    public func nextRevisions(
        above highest: [String: UInt64]
    ) throws(ControllerError) -> [String: UInt64] {
        let store = try storeForWriting()
        return try Self.translate {
            try NodeRegistry(store).nextRevisions(for: Array(highest.keys), above: highest)
        }
    }

    /// Nodes that were once brought up and are no longer in the topology.
    public func formerNodes(besides topology: Topology) throws(ControllerError) -> [Node] {
        guard let store else { return [] }
        let names = Set(topology.nodes.map(\.name))
        return try Self.translate {
            try store.list("connect/").compactMap { entry in
                let name = String(entry.key.dropFirst("connect/".count))
                guard !names.contains(name),
                    let connect = Connect(text: String(decoding: entry.value, as: UTF8.self))
                else { return nil }
                return Node(name: name, connect: connect)
            }
        }
    }

    /// Forgets a node that is clean: its keys, its revision, its preshared keys. Its addresses stay reserved.
    public func forget(_ name: String) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate {
            let registry = PresharedKeyRegistry(store)
            let pairs = try registry.all(generation: generation).keys.filter {
                $0.a == name || $0.b == name
            }
            try registry.remove(Array(pairs), generation: generation)
            try NodeRegistry(store).remove(name)
            try store.delete("connect/\(name)")
        }
    }

    // MARK: Preshared keys

    /// The names of the preshared keys of these pairs, as far as they are made.
    public func presharedKeyIDs(
        for pairs: [Peering]
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        guard let store else { return [:] }
        return try Self.translate {
            try PresharedKeyRegistry(store).all(generation: generation).mapValues(\.id)
        }
    }

    /// The names of the preshared keys of these pairs; missing keys are made, sealed and kept first.
    public func ensurePresharedKeys(
        for pairs: [Peering]
    ) throws(ControllerError) -> [Peering: PresharedKeyID] {
        let opened = try writer()
        let registry = PresharedKeyRegistry(try storeForWriting())
        var known = try presharedKeyIDs(for: pairs)
        let missing = pairs.filter { known[$0] == nil }
        if missing.isEmpty { return known }
        return try Self.translate {
            let keys = try PresharedKeys.generate(count: missing.count)
            let sealed = try opened.vault.sealMany(
                keys, width: PresharedKeys.width, names: missing.map(sealName))
            var entries: [Peering: PresharedKeyRegistry.Entry] = [:]
            for (index, pair) in missing.enumerated() {
                guard let key = SecretSlice(keys, width: PresharedKeys.width, at: index) else {
                    continue
                }
                let id = PresharedKeys.identify(key)
                entries[pair] = PresharedKeyRegistry.Entry(id: id, sealed: sealed[index])
                known[pair] = id
            }
            try registry.add(entries, generation: generation)
            return known
        }
    }

    /// The preshared keys that a document names, opened for their way to the node.
    public func presharedKeys(
        in document: NodeDocument
    ) throws(ControllerError) -> [PresharedKeyPayload] {
        let opened = try writer()
        let registry = PresharedKeyRegistry(try storeForWriting())
        return try Self.translate {
            var payloads: [PresharedKeyPayload] = []
            for peer in document.interfaces.flatMap(\.peers) where peer.presharedKey != nil {
                let pair = Peering(document.node, peer.node)
                guard let entry = try registry.entry(of: pair, generation: generation) else {
                    throw ControllerError(
                        .state, "the preshared key of \(pair.a) and \(pair.b) is missing")
                }
                let key = try opened.vault.open(entry.sealed, name: sealName(pair))
                payloads.append(PresharedKeyPayload(id: entry.id, key: SecretText.encode(key)))
            }
            return payloads
        }
    }

    private func sealName(_ pair: Peering) -> String { "psk/\(generation)/\(pair.a)/\(pair.b)" }

    // MARK: Opening

    private static func unlock(
        _ store: StateStore, _ folders: StateFolders, passphraseFile: String?
    ) throws(ControllerError) -> (key: KeyEncryptionKey, notice: String?) {
        try translate {
            let record = try store.get(passphraseKey)?.value
            let hasSecrets = try !SecretRegistry(store).all().isEmpty
            if let record {
                let parameters = try Passphrase.Parameters(encoded: record)
                return (
                    try Passphrase.open(try PassphraseInput.read(passphraseFile), parameters), nil
                )
            }
            if passphraseFile != nil && !hasSecrets {
                let made = try Passphrase.create(try PassphraseInput.read(passphraseFile))
                try store.put(passphraseKey, made.parameters.encoded, expecting: .absent)
                return (made.key, nil)
            }
            let file = try KeyFile.open(
                folders.keyFile, stateFolder: folders.state, mayCreate: !hasSecrets)
            return (file.key, file.isNew ? KeyFile.backupNotice(folders.keyFile) : nil)
        }
    }

    private static let passphraseKey = "kek/passphrase"
    private static let signingKeyName = "controller-signing-key"

    private static func signingKey(
        _ store: StateStore, _ vault: Vault
    ) throws(ControllerError) -> SigningKey {
        try translate {
            let registry = SecretRegistry(store)
            if let sealed = try registry.sealed(signingKeyName) {
                return try SigningKey(seed: try vault.open(sealed, name: signingKeyName))
            }
            let made = try SigningKey()
            let sealed = try vault.seal(made.seed, name: signingKeyName)
            let kept = try registry.settle(signingKeyName) { sealed }
            return kept == sealed
                ? made : try SigningKey(seed: try vault.open(kept, name: signingKeyName))
        }
    }

    private static func newMeshID() -> String {
        var generator = SystemRandomNumberGenerator()
        return Base64.hex((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    private func writer() throws(ControllerError) -> Opened {
        guard let opened else {
            throw ControllerError(.state, "the state is open for reading only")
        }
        return opened
    }

    private func storeForWriting() throws(ControllerError) -> StateStore {
        guard let store, opened != nil else {
            throw ControllerError(.state, "the state is open for reading only")
        }
        return store
    }

    /// Runs `body`, and says what went wrong beneath in the controller's words.
    private static func translate<Value>(_ body: () throws -> Value) throws(ControllerError)
        -> Value
    {
        do { return try body() } catch {
            switch error {
            case let error as ControllerError: throw error
            case let error as StoreError: throw translated(error)
            case let error as SecretsError: throw translated(error)
            default: throw ControllerError(.state, "\(error)")
            }
        }
    }

    private static func translated(_ error: StoreError) -> ControllerError {
        let place = error.subject.isEmpty ? "" : " (\(error.subject))"
        return ControllerError(
            error.code == .inUse ? .busy : .state,
            error.code == .inUse
                ? error.message : "the controller's state: \(error.message)\(place)",
            hint: error.hint)
    }

    private static func translated(_ error: SecretsError) -> ControllerError {
        let place = error.subject.isEmpty ? "" : " (\(error.subject))"
        return ControllerError(
            .state, "\(error.operation): \(error.message)\(place)", hint: error.hint)
    }
}

extension Connect {
    /// The form it is kept in.
    var text: String {
        switch self {
        case .local: "local"
        case .ssh(let user, let host, let port):
            "ssh \(user ?? "-") \(host) \(port.map(String.init) ?? "-")"
        }
    }

    /// Reads ``text``.
    init?(text: String) {
        let words = text.split(separator: " ").map(String.init)
        if words == ["local"] {
            self = .local
        } else if words.count == 4, words[0] == "ssh" {
            self = .ssh(
                user: words[1] == "-" ? nil : words[1], host: words[2], port: UInt16(words[3]))
        } else {
            return nil
        }
    }
}
