import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets

/// `node enroll`: pins the controller's key, makes the node's first key, and has the agent run.
///
/// *Idempotency:* the same again changes nothing; another controller, mesh or name is refused.
enum EnrollCommand {
    static func run(_ arguments: [String]) throws(NodeError) -> Int32 {
        let options = try NodeArguments(
            arguments,
            options: ["--mesh", "--mesh-id", "--node", "--controller-key", "--succession"])
        let folders = try options.folders()
        let wanted = try identity(options, mesh: folders.mesh)
        let storage = FileStorage()
        try enroll(wanted, try options.succession(), folders, storage)
        let keys = NodeKeys(folders, storage)
        // A node that has keys has them for a set that is in use; which one a new node needs, the controller says next.
        if try keys.publicKeys().isEmpty { _ = try keys.prepare(0) }
        let starter = AgentStarter(folders: folders, program: try NodeCommands.programPath())
        let agent = try starter.ensure()
        let answer = Enrollment(
            program: ProgramVersion.current, keys: try keys.publicKeys(), agent: agent)
        do {
            try IO.writeAll(1, try Wire.encode(answer) + [10])
        } catch {
            throw NodeError(.storage, "print enrolment", "", "\(error)")
        }
        return 0
    }

    private static func identity(
        _ options: NodeArguments, mesh: String
    ) throws(NodeError) -> NodeIdentity {
        let meshID = try options.value("--mesh-id")
        let node = try options.value("--node")
        guard meshID.utf8.count == 32, Base64.unhex(meshID) != nil else {
            throw NodeError(.usage, "read arguments", "", "--mesh-id is not 32 hexadecimal digits")
        }
        guard (1...63).contains(node.utf8.count), node.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else {
            throw NodeError(.usage, "read arguments", "", "--node is no node name")
        }
        guard let key = PublicKey(try options.value("--controller-key")), key != .zero else {
            throw NodeError(.usage, "read arguments", "", "--controller-key is no key in base64")
        }
        return NodeIdentity(meshID: meshID, mesh: mesh, node: node, controllerKey: key)
    }

    /// Pins `wanted`, or makes sure that it is what is pinned.
    private static func enroll(
        _ wanted: NodeIdentity, _ chain: [KeySuccession], _ folders: NodeFolders,
        _ storage: any NodeStorage
    ) throws(NodeError) {
        if let pinned = try NodeIdentity.read(folders, storage) {
            if pinned.isSame(as: wanted) { return }
            // The controller has changed its key while this node was away.
            if let next = try? pinned.succeeding(chain), next.isSame(as: wanted) {
                return try next.write(folders, storage)
            }
            let what =
                pinned.controllerKey != wanted.controllerKey
                ? "by another controller" : "as \(pinned.node) of another mesh or by another name"
            throw NodeError(
                .otherController, "enrol", folders.mesh, "this node is enrolled already, \(what)",
                hint:
                    "if that is no longer wanted, run `meshproof node leave --mesh \(folders.mesh)` here"
            )
        }
        do {
            for folder in [folders.state, folders.keys, folders.presharedKeys, folders.run] {
                try Files.makeFolder(folder)
            }
        } catch {
            throw NodeError("make folder", error)
        }
        try wanted.write(folders, storage)
    }
}
