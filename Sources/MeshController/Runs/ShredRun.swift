import LinuxSystem
public import MeshModel
import Secrets
import StateStore

/// Destroys a mesh: the key-encryption key, the controller's sealed secrets, and every node's keys.
///
/// The controller's part comes first and does not depend on any node: from then on nothing that is sealed with the key
/// file opens again. It needs no key and no passphrase, so that a state that nobody can open can be shredded, too.
/// *Idempotency:* after a crash the same call goes on.
public struct ShredRun: Sendable {
    /// What was destroyed, and what could not be.
    public struct Report: Codable, Sendable {
        /// The mesh's name.
        public var mesh: String
        /// Whether there was a key file, which was overwritten and removed.
        public var keyFile: Bool
        /// How many sealed secrets were overwritten.
        public var secrets: Int
        /// Files of the controller that were overwritten and removed.
        public var files: [String]
        /// Files in the state's folder that are not ours and were left.
        public var foreign: [String]
        /// What each node did.
        public var nodes: [DownReport.NodeRemoval]
        /// What can still be opened, and by what, a line each.
        public var remains: [String]

        /// Whether every node is clean and the controller has nothing left.
        public var isDone: Bool {
            foreign.isEmpty && nodes.allSatisfy { $0.left.isEmpty && $0.error == nil }
        }
    }

    let topology: Topology
    let folders: StateFolders
    let carrier: any Carrier
    let settings: RunSettings
    let progress: any Progress

    /// Gathers what a run needs.
    public init(
        _ topology: Topology, folders: StateFolders, carrier: any Carrier, settings: RunSettings,
        progress: any Progress
    ) {
        self.topology = topology
        self.folders = folders
        self.carrier = carrier
        self.settings = settings
        self.progress = progress
    }

    /// The nodes whose keys will be destroyed.
    ///
    /// *Throws:* ``ControllerError`` `state` where there is no state.
    public func nodes() throws(ControllerError) -> [Node] {
        let state = try ControllerState(dismantling: folders, mesh: topology.mesh.name)
        return try down(state).nodes()
    }

    /// Destroys everything. A node that cannot be reached keeps nothing else alive: it is named.
    ///
    /// *Throws:* ``ControllerError`` `busy` while another meshproof works on the mesh; `state` where there is no state,
    /// or where the disk refuses: what was destroyed until then stays so.
    public func run() throws(ControllerError) -> Report {
        let hadKeyFile: Bool
        let secrets: Int
        let wasPassphrase: Bool
        let removed: DownReport
        // The state is closed again before its files go.
        do {
            let state = try ControllerState(dismantling: folders, mesh: topology.mesh.name)
            let store = try state.storeForWriting()
            hadKeyFile = try ControllerState.translate { try KeyFile.shred(folders.keyFile) }
            (secrets, wasPassphrase) = try ControllerState.translate { try destroySecrets(store) }
            removed = try down(state).run()
        }
        let files = try ControllerState.translate { try removeFiles() }
        return Report(
            mesh: topology.mesh.name, keyFile: hadKeyFile, secrets: secrets, files: files.removed,
            foreign: files.foreign, nodes: removed.nodes.map(advised),
            remains: remains(wasPassphrase))
    }

    private func down(_ state: ControllerState) -> DownRun {
        DownRun(
            topology, state: state, carrier: carrier, settings: settings, progress: progress)
    }

    /// Takes every sealed secret out of the store, known to this version or not; the store overwrites what it deletes.
    private func destroySecrets(_ store: StateStore) throws -> (Int, Bool) {
        let entries = try store.list("secret/") + store.list("psk/")
        let lock = try store.list("kek/")
        let changes = (entries + lock).map { StoreChange($0.key, .delete) }
        if !changes.isEmpty { try store.commit(changes) }
        try store.scrub()
        return (entries.count, lock.contains { $0.key == StateLock.passphraseKey })
    }

    private func removeFiles() throws -> (removed: [String], foreign: [String]) {
        var removed: [String] = []
        for name in StateStore.fileNames {
            let path = "\(folders.state)/\(name)"
            if try Files.wipe(path) { removed.append(path) }
        }
        let foreign = try Files.list(folders.state).map { "\(folders.state)/\($0)" }
        if foreign.isEmpty { try Files.removeTree(folders.state) }
        return (removed, foreign)
    }

    /// What to do about a node that nobody could reach: the controller will not know it any more.
    private func advised(_ removal: DownReport.NodeRemoval) -> DownReport.NodeRemoval {
        guard removal.error != nil || !removal.left.isEmpty else { return removal }
        var advised = removal
        let program = "\(NodeProgram.installedPath) node leave --mesh \(topology.mesh.name)"
        advised.fix =
            "its keys may still be there: run `\(program)` on that machine, or destroy its disk"
        return advised
    }

    private func remains(_ wasPassphrase: Bool) -> [String] {
        var lines: [String] = []
        if wasPassphrase {
            lines.append(
                "Copies of the state's folder still open with the passphrase: destroy them, or forget it."
            )
        } else {
            lines.append(
                "Copies of the state's folder open with a copy of the key file only: destroy those you made."
            )
        }
        lines.append(
            "Files of state backup hold the key, and open with their own passphrase or key: destroy them."
        )
        return lines
    }
}
