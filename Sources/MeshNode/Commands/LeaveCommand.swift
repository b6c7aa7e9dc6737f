import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import PacketFilter

/// `node leave`: what `down` does, without a controller and, if need be, without an agent.
///
/// A controller says whose mesh and which node it means, and what is another's is left alone. By hand, without those
/// options, whatever mesh of that name is here goes.
enum LeaveCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(
            arguments,
            options: ["--mesh", "--mesh-id", "--node", "--controller-key", "--succession"],
            flags: ["--json"])
        let folders = try options.folders()
        let storage = FileStorage()
        try check(options, against: try pinned(options, folders, storage), mesh: folders.mesh)
        if Files.isFolder(folders.systemd), Files.exists(folders.unit) {
            _ = try? Child.run(["systemctl", "disable", "--now", folders.unitName], timeout: 60)
        }
        let program = try NodeCommands.programPath()
        let starter = AgentStarter(folders: folders, program: program)
        if let agent = starter.runningAgent() { try starter.end(agent) }

        let keys = NodeKeys(folders, storage)
        let store = DocumentStore(folders, storage, keys)
        if let identity = try? NodeIdentity.read(folders, storage) {
            try? store.load(DocumentCheck(identity))
        }
        let tunnels = TunnelRoom(
            folders: folders, keys: keys,
            server: TunnelServer(
                folders: folders, storage: storage, keys: keys, log: NodeLog(.standardError),
                program: program))
        let kernel = RealKernel(
            keys: keys, others: OtherMeshes(folders, storage), tunnels: tunnels,
            guards: GuardKeeper(mesh: folders.mesh),
            hosts: HostsKeeper(folders: folders, program: program),
            bootID: NodeCommands.bootID())
        let removal = Removal(folders: folders, storage: storage, kernel: kernel)
        let report = removal.run(networks: store.networks, at: .now())
        if options.has("--json") {
            do { try IO.writeAll(1, try Wire.encode(report) + [10]) } catch {
                throw NodeError(.storage, "print report", "", "\(error)")
            }
            return report.left.isEmpty ? 0 : 1
        }
        let lines =
            report.removed.map { "removed \($0)" } + report.left.map { "left    \($0)" }
            + (report.left.isEmpty ? ["nothing of \(folders.mesh) is left on this node"] : [])
        do { try IO.writeAll(1, (lines.joined(separator: "\n") + "\n").utf8) } catch {
            throw NodeError("print report", error)
        }
        return report.left.isEmpty ? 0 : 1
    }
    /// Who this node is. A damaged record keeps nobody from leaving by hand, but no controller can claim it.
    private static func pinned(
        _ options: NodeArguments, _ folders: NodeFolders, _ storage: any NodeStorage
    ) throws(NodeError) -> NodeIdentity? {
        do throws(NodeError) { return try NodeIdentity.read(folders, storage) } catch {
            if options.has(anyOf: claims) { throw error }
            return nil
        }
    }

    private static let claims = ["--mesh-id", "--node", "--controller-key"]

    /// *Throws:* ``NodeError`` `otherController` where what is pinned here is not what was claimed. Where nothing is
    /// pinned, what is left of a mesh is nobody's.
    static func check(
        _ options: NodeArguments, against pinned: NodeIdentity?, mesh: String
    ) throws(NodeError) {
        guard let pinned else { return }
        let wrong: String
        let chain = try options.succession()
        let known = chain.isEmpty ? pinned : (try? pinned.succeeding(chain)) ?? pinned
        if options.claims("--controller-key", otherThan: known.controllerKey.description) {
            wrong = "another controller has set it up"
        } else if options.claims("--mesh-id", otherThan: pinned.meshID) {
            wrong = "it belongs to another mesh of that name"
        } else if options.claims("--node", otherThan: pinned.node) {
            wrong = "this machine is node \(pinned.node) of it"
        } else {
            return
        }
        throw NodeError(
            .otherController, "leave", mesh, "\(wrong); nothing was removed",
            hint: "if it is to go all the same, run `meshproof node leave --mesh \(mesh)` here")
    }
}
