import LinuxSystem
import NodeProtocol

/// `node leave`: what `down` does, without a controller and, if need be, without an agent.
enum LeaveCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let folders = try NodeArguments(arguments, options: ["--mesh"]).folders()
        let storage = FileStorage()
        if Files.isFolder(folders.systemd), Files.exists(folders.unit) {
            _ = try? Child.run(["systemctl", "disable", "--now", folders.unitName], timeout: 60)
        }
        let starter = AgentStarter(folders: folders, program: try NodeCommands.programPath())
        if let agent = starter.runningAgent() { try starter.end(agent) }

        let keys = NodeKeys(folders, storage)
        let store = DocumentStore(folders, storage, keys)
        if let identity = try? NodeIdentity.read(folders, storage) {
            try? store.load(DocumentCheck(identity))
        }
        let kernel = RealKernel(
            keys: keys, others: OtherMeshes(folders, storage), tunnels: TempTunnels(),
            bootID: NodeCommands.bootID())
        let removal = Removal(folders: folders, storage: storage, kernel: kernel)
        let report = removal.run(networks: store.networks, at: .now())
        let lines =
            report.removed.map { "removed \($0)" } + report.left.map { "left    \($0)" }
            + (report.left.isEmpty ? ["nothing of \(folders.mesh) is left on this node"] : [])
        do { try IO.writeAll(1, (lines.joined(separator: "\n") + "\n").utf8) } catch {
            throw NodeError("print report", error)
        }
        return report.left.isEmpty ? 0 : 1
    }
}
