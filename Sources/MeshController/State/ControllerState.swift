import LinuxSystem
public import MeshModel
public import NodeProtocol
import Secrets
import StateStore
import Synchronization

/// What the controller remembers of one mesh: identity, addresses, nodes' public keys, and sealed secrets.
///
/// Opened for writing it makes what is missing; opened for reading it changes nothing, and may find nothing.
public final class ControllerState: Sendable {
    /// The sets of keys in use, and the rotation between two of them that is open.
    let rotation: Mutex<RotationNote>
    /// What the operator must be told, for instance that a key file was made.
    public let notice: String?

    private let mesh: String
    let store: StateStore?
    let opened: Opened?
    /// Who the mesh was, where the state is only being taken apart.
    private let dismantled: MeshIdentity?

    /// What only a writer has.
    struct Opened: Sendable {
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
            dismantled = nil
            notice = nil
            rotation = Mutex(try Self.rotationNote(store))
            return
        }
        let store = try Self.translate {
            try StateStore.openForWriting(folder: folders.state)
        }
        self.store = store
        rotation = Mutex(try Self.rotationNote(store))
        let unlocked = try Self.unlock(store, folders, passphraseFile: passphraseFile)
        let vault = Vault(key: unlocked.key)
        notice = unlocked.notice
        dismantled = nil
        let signingKey = try Self.signingKey(store, vault)
        let meshID = try Self.translate {
            try MeshRegistry(store).settleIdentity(Self.newMeshID())
        }
        try Self.translate { try MeshRegistry(store).note(controllerKey: signingKey.publicKey) }
        opened = Opened(
            identity: MeshIdentity(
                mesh: mesh, meshID: meshID, controllerKey: signingKey.publicKey,
                successions: try Self.translate { try MeshRegistry(store).successions() }),
            signingKey: signingKey, vault: vault)
    }

    /// Opens the state to take it apart: no secret is opened, none is made, and none is needed.
    ///
    /// *Throws:* ``ControllerError`` `busy` as above; `state` where there is none.
    init(dismantling folders: StateFolders, mesh: String) throws(ControllerError) {
        self.mesh = mesh
        let store = try Self.translate {
            guard try StateStore.openForReading(folder: folders.state) != nil else {
                throw ControllerError(
                    .state, "there is no state of mesh \(mesh) in \(folders.state)",
                    hint: "name its folder with --state")
            }
            return try StateStore.openForWriting(folder: folders.state)
        }
        self.store = store
        rotation = Mutex(try Self.rotationNote(store))
        opened = nil
        notice = nil
        dismantled = try Self.translate {
            let registry = MeshRegistry(store)
            return MeshIdentity(
                mesh: mesh, meshID: try registry.identity() ?? "",
                controllerKey: try registry.controllerKey() ?? .zero,
                successions: try registry.successions())
        }
    }

    // MARK: Identity

    /// The mesh's identity. Only where the state is open for writing.
    public var identity: MeshIdentity {
        opened?.identity ?? dismantled ?? MeshIdentity(mesh: mesh, meshID: "", controllerKey: .zero)
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

    // MARK: Rights

    /// What only a writer has, or the reason why we have not got it.
    func writer() throws(ControllerError) -> Opened {
        guard let opened else {
            throw ControllerError(.state, "the state is open for reading only")
        }
        return opened
    }

    func storeForWriting() throws(ControllerError) -> StateStore {
        guard let store, opened != nil || dismantled != nil else {
            throw ControllerError(.state, "the state is open for reading only")
        }
        return store
    }
}
