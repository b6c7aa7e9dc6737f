import LinuxSystem
public import MeshModel
import Secrets
import StateStore

/// Gives the controller another signing key, and has every node pin it.
///
/// The new key, and the succession that both keys sign, are kept in one commit; from then on the controller signs with
/// the new one. A node that cannot be reached now is handed the whole chain at its next contact with `up`.
public struct ControllerKeyRun: Sendable {
    /// What was done.
    public struct Report: Codable, Sendable {
        /// One node's part.
        public struct Node: Codable, Sendable, Equatable {
            /// Which node.
            public var node: String
            /// Whether it has pinned the new key.
            public var hasKey: Bool
            /// Whether it is handed the key with its next mail, because no command logs in to it.
            public var byMail = false
            /// What went wrong, where it has not.
            public var error: String?
        }

        /// The mesh's name.
        public var mesh: String
        /// How many times the key was changed by now.
        public var sequence: UInt64
        /// The key until now.
        public var oldKey: PublicKey
        /// The key from now on.
        public var newKey: PublicKey
        /// Every managed node.
        public var nodes: [Node]

        /// Whether every node has the new key, or is handed it with its next mail.
        public var isDone: Bool { nodes.allSatisfy { $0.hasKey || $0.byMail } }
    }

    let topology: Topology
    let folders: StateFolders
    let passphraseFile: String?
    let carrier: any Carrier
    let settings: RunSettings
    let progress: any Progress

    /// Gathers what a run needs; it opens the state itself.
    public init(
        _ topology: Topology, folders: StateFolders, passphraseFile: String?, carrier: any Carrier,
        settings: RunSettings, progress: any Progress
    ) {
        self.topology = topology
        self.folders = folders
        self.passphraseFile = passphraseFile
        self.carrier = carrier
        self.settings = settings
        self.progress = progress
    }

    /// Makes the key and hands it to every node that answers.
    ///
    /// *Throws:* ``ControllerError`` `busy` while another meshproof works on the mesh; `state` where there is no state.
    public func run() throws(ControllerError) -> Report {
        let succession = try makeKey()
        let state = try ControllerState(
            folders, mesh: topology.mesh.name, passphraseFile: passphraseFile, writing: true)
        let nodes = topology.managedNodes
        let contacted = topology.contactedNodes
        let identity = state.identity
        let fleet = Fleet(parallel: settings.parallel, progress: progress)
        let outcome = try fleet.phase("handing over", contacted, name: \.name) {
            node throws(ControllerError) in
            let contact = try NodeContact(
                node, mesh: identity.mesh, by: carrier, timeout: settings.timeout)
            let agent = try contact.agent(meshID: identity.meshID, mesh: identity.mesh)
            try agent.handOver(identity)
            progress.finished(node.name, "has the new key", good: true)
            return true
        }
        return Report(
            mesh: identity.mesh, sequence: succession.sequence, oldKey: succession.oldKey,
            newKey: succession.newKey,
            nodes: nodes.map { node in
                Report.Node(
                    node: node.name, hasKey: outcome.results[node.name] == true,
                    byMail: node.isReachedByMail,
                    error: outcome.failures[node.name]?.message)
            })
    }

    /// The first half: the key and its succession, in one commit. The old private key is overwritten.
    package func makeKey() throws(ControllerError) -> KeySuccession {
        try ControllerState.translate {
            guard let present = try StateStore.openForReading(folder: folders.state),
                let meshID = try MeshRegistry(present).identity()
            else {
                throw ControllerError(
                    .state, "there is no state of mesh \(topology.mesh.name) in \(folders.state)",
                    hint: "run meshproof up, which makes it")
            }
            let store = try StateStore.openForWriting(folder: folders.state)
            let kek = try ControllerState.unlock(store, folders, passphraseFile: passphraseFile).key
            let vault = Vault(key: kek)
            let name = ControllerState.signingKeyName
            let old = try ControllerState.signingKey(store, vault)
            let new = try SigningKey()
            let registry = MeshRegistry(store)
            let succession = KeySuccession.make(
                meshID: meshID, sequence: (try registry.successions().last?.sequence ?? 0) + 1,
                lastReceipt: try ReceiptLog(store).head()?.sequence ?? 0, from: old, to: new)
            let sealed = try vault.seal(new.seed, name: name)
            try store.commit(
                try registry.changes(for: succession)
                    + [try SecretRegistry(store).change(name, to: sealed)])
            try store.scrub()
            return succession
        }
    }
}
