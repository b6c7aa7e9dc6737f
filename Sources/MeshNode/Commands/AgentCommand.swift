import Glibc
import LinuxSystem
import Netlink
import NodeProtocol
import PacketFilter

extension RouteMonitor: KernelEvents {}

/// `node agent`: the long-running process of one mesh on one node.
enum AgentCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(arguments, options: ["--mesh"], flags: ["--detached"])
        let folders = try options.folders()
        let log = NodeLog(sink(folders, isDetached: options.has("--detached")))
        do throws(NodeError) {
            return try serve(folders, log)
        } catch {
            // Detached there is nobody to read standard error.
            if options.has("--detached") { log.error(error.description) }
            throw error
        }
    }

    private static func serve(_ folders: NodeFolders, _ log: NodeLog) throws(NodeError) -> Int32 {
        let storage = FileStorage()
        let identity = try NodeCommands.identity(folders, storage)
        let lock = try takeLock(folders)
        let bootID = NodeCommands.bootID()
        let keys = NodeKeys(folders, storage)
        // A node that was enrolled before there were tunnels has none yet.
        if try keys.sshPublicKeys().isEmpty {
            _ = try keys.sshClientKey(0)
            _ = try keys.sshHostKey(0)
        }
        let tunnels = TunnelRoom(
            folders: folders, keys: keys,
            server: TunnelServer(
                folders: folders, storage: storage, keys: keys, log: log,
                program: try NodeCommands.programPath()))
        Descriptors.raiseLimit()
        let kernel = RealKernel(
            keys: keys, others: OtherMeshes(folders, storage), tunnels: tunnels,
            guards: GuardKeeper(mesh: folders.mesh),
            hosts: HostsKeeper(folders: folders, program: try NodeCommands.programPath()),
            bootID: bootID)
        let monitor: RouteMonitor
        do { monitor = try RouteMonitor() } catch { throw NodeError("watch the kernel", error) }
        let core = AgentCore(
            identity: identity, folders: folders, storage: storage, kernel: kernel, keys: keys,
            program: ProgramVersion.current, bootID: bootID, log: log)
        let server = try AgentServer(
            core: core, socketPath: folders.socket, events: monitor, manager: ServiceManager(),
            log: log)
        log.notice(
            "meshproof \(ProgramVersion.current): agent of \(identity.node) in mesh \(identity.mesh)"
        )
        try server.run()
        tunnels.close()
        if !core.isEnding { _ = try? Files.remove(folders.socket) }
        _ = consume lock
        return core.isEnding ? SystemdUnit.goneExitCode : 0
    }

    private static func takeLock(_ folders: NodeFolders) throws(NodeError) -> FileLock {
        do {
            try Files.makeFolder(folders.run)
            if let lock = try FileLock(path: folders.lock) { return lock }
        } catch {
            throw NodeError("lock", error)
        }
        let holder = FileLock.holder(path: folders.lock).map { " (process \($0))" } ?? ""
        throw NodeError(
            .agentRunning, "start agent", folders.mesh, "one is running already\(holder)",
            hint: "there is one agent a mesh; nothing needs to be done")
    }

    private static func sink(_ folders: NodeFolders, isDetached: Bool) -> NodeLog.Sink {
        if isDetached { return .file(folders.log) }
        return getenv("JOURNAL_STREAM") == nil ? .standardError : .journal
    }
}
