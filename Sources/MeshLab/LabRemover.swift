import Glibc
import LinuxSystem

/// What ``Lab/down()`` removed, and what it could not.
public struct LabRemoval: Sendable, Equatable {
    /// What was there and is gone, one line each.
    public var removed: [String] = []
    /// What is still there, one line each with what to do about it.
    public var left: [String] = []

    /// Whether nothing of the lab is left.
    public var isClean: Bool { left.isEmpty }
}

/// Takes a lab, or single hosts of it, apart.
struct LabRemover {
    let names: LabNames
    /// The nodes that the topology knows; those that only the lab's folder knows are found there.
    let nodes: [String]

    func remove() throws(LabError) -> LabRemoval {
        try refuseInside()
        var removal = LabRemoval()
        let all = Set(nodes).union(known()).sorted()
        endHosts(all, &removal)
        let lan = names.namespaceFile(LabNames.lan)
        endStragglers([lan])
        if unbind(lan) { removal.removed.append("the lan, \(names.namespace(LabNames.lan))") }
        for pid in Processes.initsStarted(below: names.hosts) {
            _ = Processes.end(pid) { Processes.initsStarted(below: names.hosts).contains($0) }
        }
        removeFolder(&removal)
        removal.left += sweep(all)
        return removal
    }

    /// Ends hosts and frees their names; their folders go too.
    func endHosts(_ nodes: [String], _ removal: inout LabRemoval) {
        for node in nodes { unlink("\(names.host(node))/spec.json") }
        let locks = nodes.map { "\(names.host($0))/lock" }
        let holders = Processes.lockHolders(locks)
        var parents: [Int32] = []
        var ended: Set<String> = []
        // All first, then each is waited for: their ends overlap.
        for (lock, pid) in holders {
            if let parent = Processes.parent(of: pid), parent > 1 { parents.append(parent) }
            Processes.send(SIGKILL, to: pid) { isStill(lock, $0) }
        }
        for node in nodes {
            let lock = "\(names.host(node))/lock"
            if let pid = holders[lock], Processes.end(pid, isStillIt: { isStill(lock, $0) }) {
                ended.insert(node)
            }
        }
        endStragglers(nodes.map(names.namespaceFile))
        for parent in parents where parent != getpid() { Processes.awaitEnd(parent, timeout: 2) }
        for node in nodes {
            let bound = unbind(names.namespaceFile(node))
            dropPort(of: node)
            let folder = names.host(node)
            let had = Files.exists(folder)
            try? Files.removeTree(folder)
            if bound || had || ended.contains(node) { removal.removed.append("host \(node)") }
        }
    }

    /// Whether `pid` holds the host's lock at this moment.
    private func isStill(_ lock: String, _ pid: Int32) -> Bool {
        Processes.lockHolders([lock])[lock] == pid
    }

    /// Ends whatever is in these namespaces. While the file pins it, a namespace's identity is nobody else's.
    private func endStragglers(_ files: [String]) {
        let spaces = Set(files.compactMap(Processes.namespaceID))
        for pid in Processes.inside(spaces) {
            _ = Processes.end(pid) { pid in
                Processes.namespaceID("/proc/\(pid)/ns/net").map(spaces.contains) ?? false
            }
        }
    }

    /// Frees a namespace's name; true where there was one.
    private func unbind(_ file: String) -> Bool {
        Mounts.detach(file)
        return (try? Files.remove(file)) ?? false
    }

    /// The lan's end of a host's wire goes with the host's namespace, but later: a successor needs the name at once.
    private func dropPort(of node: String) {
        let lan = names.namespaceFile(LabNames.lan)
        guard Processes.namespaceID(lan) != nil else { return }
        _ = try? Child.run([
            "ip", "-n", names.namespace(LabNames.lan), "link", "del", LabNames.port(node),
        ])
    }

    private func removeFolder(_ removal: inout LabRemoval) {
        for point in Mounts.below(names.root) where Mounts.detach(point) {
            removal.removed.append("the mount \(point)")
        }
        if Files.exists(names.root) {
            do {
                try Files.removeTree(names.root)
                removal.removed.append("the folder \(names.root)")
            } catch {
                removal.left.append("\(names.root): \(error)")
            }
        }
        // Ours only where it is empty and nobody mounted anything there.
        if !Mounts.isMounted("/run/netns") { rmdir("/run/netns") }
    }

    /// Looks with fresh eyes for anything that should be gone.
    private func sweep(_ nodes: [String]) -> [String] {
        var left: [String] = []
        for node in nodes + [LabNames.lan] where Files.exists(names.namespaceFile(node)) {
            left.append("\(names.namespaceFile(node)): remove it with `ip netns del`")
        }
        let others = LabRemover.labs().filter { $0 != names.mesh }
        let prefix = "mp-\(names.mesh)-"
        for name in (try? Files.list("/run/netns")) ?? [] where name.hasPrefix(prefix) {
            let isOthers = others.contains { name.hasPrefix("mp-\($0)-") }
            if isOthers || left.contains(where: { $0.contains("/\(name):") }) { continue }
            left.append(
                "/run/netns/\(name): no host of this topology; if it is a lab's, `ip netns del \(name)`"
            )
        }
        for pid in Processes.initsStarted(below: names.hosts) {
            left.append("process \(pid): an init of this lab that does not end; kill it")
        }
        left += Mounts.below(names.root).map { "\($0): still mounted; `umount -l` it" }
        return left
    }

    private func refuseInside() throws(LabError) {
        let own = Processes.namespaceID("/proc/self/ns/net")
        let inside = (nodes + [LabNames.lan]).contains {
            Processes.namespaceID(names.namespaceFile($0)) == own
        }
        if inside || LabEntry.current == names.mesh {
            throw LabError(
                .conflict, "end", names.mesh, "this process is inside the lab",
                hint: "run `lab down` outside of the lab, without --lab")
        }
    }

    /// Nodes that the lab's folder knows of.
    private func known() -> [String] { (try? Files.list(names.hosts)) ?? [] }

    /// The meshes that have a lab folder on this machine.
    static func labs() -> [String] {
        ((try? Files.list(LabNames.allLabs)) ?? []).filter { !$0.hasPrefix(".") }
    }
}
