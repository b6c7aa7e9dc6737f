import Glibc
import LinuxSystem
public import MeshModel
import Synchronization

/// A rehearsal of a topology: every managed node as a host on this machine, on one wire that leads nowhere.
///
/// *Privilege:* root, for everything but ``status()``. All of a lab is derived from the mesh's name, see
/// ``LabNames``; labs of different meshes live side by side.
public struct Lab: Sendable {
    /// What the lab consists of.
    public let plan: LabPlan
    /// The meshproof binary that is every host's init.
    public let program: String
    let names: LabNames

    /// The lab of a topology; nothing is done yet.
    ///
    /// - Parameters:
    ///   - topologyPath: the topology's file; commands of its `lab:` section start in that folder.
    ///   - program: the path of the meshproof binary; nil for the running one.
    ///   - overlayAddresses: by node, for services that bind to the mesh.
    ///
    /// *Throws:* ``LabError`` `unsupported` where the topology cannot be rehearsed on one machine.
    public init(
        topology: Topology, topologyPath: String = "/topology.yaml", program: String? = nil,
        overlayAddresses: [String: [IPAddress]] = [:]
    ) throws(LabError) {
        var folder = Files.folder(of: topologyPath)
        if let resolved = realpath(folder, nil) {
            folder = String(cString: resolved)
            free(resolved)
        }
        plan = try LabPlan(topology, overlayAddresses: overlayAddresses, folder: folder)
        names = plan.names
        self.program = program ?? Lab.runningProgram()
    }

    /// Brings the lab up, or makes an existing one what the topology now says.
    ///
    /// Hosts that are as they should be are left alone, and keep their state; a host whose addresses or login have
    /// changed is built anew; changed services are restarted within their host; what is no longer wanted goes.
    ///
    /// *Idempotency:* a second call does nothing. After a failure, what this call made is gone again.
    /// - Parameters:
    ///   - timeout: seconds until every sshd answers and every service listens.
    ///   - progress: is told one line for each thing done, from one thread at a time.
    public func up(
        timeout: Double = 120, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(LabError) {
        try Tools.requireRoot("lab up")
        try Tools.requireAll()
        try requireProgram()
        if let lab = LabEntry.current {
            throw LabError(
                .conflict, "lab up", names.mesh, "this process is inside the lab of \(lab)",
                hint: "run `lab up` outside of it, without --lab")
        }
        let lock = try LabLock(names)
        let turns = Mutex(())
        let say: @Sendable (String) -> Void = { line in turns.withLock { _ in progress(line) } }
        do {
            try LabBuilder(plan: plan, program: program, say: say).build(timeout: timeout)
        } catch {
            if !Files.exists(names.root) { lock.remove() }
            throw error
        }
        _ = consume lock
    }

    /// Ends the lab: hosts, namespaces, mounts and folders, then looks for anything left.
    ///
    /// Needs none of what `up` made to be whole; what is gone already is fine.
    ///
    /// *Idempotency:* a second call removes nothing and finds nothing.
    public func down() throws(LabError) -> LabRemoval {
        try Lab.down(mesh: names.mesh, nodes: plan.nodes)
    }

    /// As ``down()``, where no topology can be read any more: what the lab's own folder knows of is ended.
    ///
    /// - Parameter nodes: further nodes to look for.
    public static func down(mesh: String, nodes: [String] = []) throws(LabError) -> LabRemoval {
        try Tools.requireRoot("lab down")
        let isLabel =
            !mesh.isEmpty
            && mesh.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
        guard isLabel else {
            throw LabError(
                .unsupported, "lab down", mesh, "no name of a mesh", hint: "a-z, 0-9 and -")
        }
        let names = LabNames(mesh: mesh)
        let lock = try LabLock(names)
        defer { lock.remove() }
        return try LabRemover(names: names, nodes: nodes).remove()
    }

    /// What is there of the lab, as seen from outside.
    public func status() -> LabStatus { LabStatus(observing: plan) }

    /// The command line that runs `command` inside a host, or inside the lan where `node` is `lan`.
    ///
    /// *Throws:* ``LabError`` `notUp` or `unknownNode`.
    public func arguments(for command: [String], in node: String) throws(LabError) -> [String] {
        if node == LabNames.lan { return try LabEntry.lan(names, command) }
        guard plan.nodes.contains(node) else {
            throw LabError(
                .unknownNode, "enter", node, "no such host in the lab of \(names.mesh)",
                hint: "hosts: \((plan.nodes + [LabNames.lan]).joined(separator: ", "))")
        }
        return try LabEntry.host(names, node, command)
    }

    /// Replaces this process by `command` inside a host, or inside the lan where `node` is `lan`.
    ///
    /// Input, output, signals and the exit code are the command's own. Its working folder is `/`.
    public func exec(_ node: String, _ command: [String]) throws(LabError) -> Never {
        try Tools.requireRoot("lab exec")
        let shell = command.isEmpty ? ["/bin/sh"] : command
        try LabEntry.replaceProcess(try arguments(for: shell, in: node), lab: names.mesh)
    }

    /// For `--lab`: runs this process's command line again from where the controller is in the lab, and never returns;
    /// does nothing where it is there already.
    ///
    /// That is the lan, or the host of the one node that is `connect: local`. A relative path on the command line keeps
    /// its meaning.
    ///
    /// *Throws:* ``LabError`` `notUp` where there is no lab.
    public func enter(arguments: [String]) throws(LabError) {
        if LabEntry.current == names.mesh { return }
        try Tools.requireRoot("--lab")
        let command = [program] + arguments.dropFirst()
        let target = plan.controllerNode ?? LabNames.lan
        try LabEntry.replaceProcess(
            try self.arguments(for: command, in: target), lab: names.mesh, keepingFolder: true)
    }

    /// The mesh whose lab this process runs in, or nil.
    public static var current: String? { LabEntry.current }

    private static func runningProgram() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : "/proc/self/exe"
    }

    private func requireProgram() throws(LabError) {
        if program.hasPrefix("/"), access(program, X_OK) == 0, !program.hasPrefix("/run/") {
            return
        }
        throw LabError(
            .failed, "start", program, "the hosts cannot run this binary",
            hint: "give its full path, outside of /run")
    }
}
