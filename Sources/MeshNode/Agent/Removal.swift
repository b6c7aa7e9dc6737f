import Glibc
import LinuxSystem
package import MeshModel
package import NodeProtocol

/// Takes everything of one mesh off the node, and then looks for what is left.
///
/// *Idempotency:* on a node where nothing of the mesh is, it removes nothing and finds nothing.
package struct Removal {
    private let folders: NodeFolders
    private let storage: any NodeStorage
    private let kernel: any NodeKernel

    /// A removal of the mesh of `folders`.
    package init(folders: NodeFolders, storage: any NodeStorage, kernel: any NodeKernel) {
        self.folders = folders
        self.storage = storage
        self.kernel = kernel
    }

    /// Removes all of it and reports.
    package func run(networks: [IPPrefix], at now: Moment) -> RemovalReport {
        var report = RemovalReport(removed: [], left: [])
        removeFromKernel(networks, at: now, &report)
        removeUnit(&report)
        removeFiles(&report)
        report.left += leftovers(networks)
        return report
    }

    private func scope(_ networks: [IPPrefix]) -> KernelScope {
        KernelScope(mesh: folders.mesh, desired: .bare, networks: networks, resolved: [:])
    }

    private func removeFromKernel(
        _ networks: [IPPrefix], at now: Moment, _ report: inout RemovalReport
    ) {
        let observed: ObservedNode
        do { observed = try kernel.observe(scope(networks)) } catch {
            report.left.append("unknown: \(error)")
            return
        }
        var rest = Differ.plan(
            mesh: folders.mesh, desired: DesiredNode.bare, observed: observed, now: now.wall)[...]
        while !rest.isEmpty {
            let outcome = kernel.apply(Array(rest))
            report.removed += rest.prefix(outcome.done).map { Self.line($0.change) }
            rest = rest.dropFirst(outcome.done)
            guard let failure = outcome.failure, let failed = rest.popFirst() else { return }
            report.left.append("\(Self.line(failed.change)): \(failure)")
        }
    }

    private static func line(_ change: Change) -> String {
        switch change {
        case .deleteInterface(let name): return "interface \(name), with its peers and routes"
        case .removeRoute(let route): return "route \(route.destination) (\(route.kind.rawValue))"
        case .removeGuard: return "the guard"
        case .removeNames: return "the mesh's lines in /etc/hosts"
        default: return change.summary
        }
    }

    private static func guardLine(_ mesh: String) -> String {
        "table inet \(Ownership.guardTable(mesh: mesh))"
    }

    private func removeUnit(_ report: inout RemovalReport) {
        guard Files.exists(folders.unit) else { return }
        remove(folders.unit, "unit \(folders.unit)", &report)
        let wants = "\(folders.root)/etc/systemd/system/multi-user.target.wants/\(folders.unitName)"
        try? storage.remove(wants)
        // A running unit whose file is gone loses its settings by this; then it does so itself once it has ended.
        if Files.isFolder(folders.systemd), !isOwnUnit {
            _ = try? Child.run(["systemctl", "daemon-reload"], timeout: 30)
        }
    }

    /// Whether this process is the unit that is removed. *Source:* cgroups(7), /proc/self/cgroup.
    private var isOwnUnit: Bool {
        let text = (try? Files.read("/proc/self/cgroup", limit: 1 << 16)) ?? []
        return String(decoding: text, as: UTF8.self).split(separator: "\n").contains {
            $0.hasSuffix("/\(folders.unitName)")
        }
    }

    private func removeFiles(_ report: inout RemovalReport) {
        for folder in [folders.keys, folders.presharedKeys] {
            for name in storage.list(folder) {
                let path = "\(folder)/\(name)"
                do {
                    try storage.wipe(path)
                    report.removed.append("key \(path), overwritten first")
                } catch {
                    report.left.append("key \(path): \(error)")
                }
            }
        }
        for folder in [folders.state, folders.run] where Files.exists(folder) {
            do {
                try Files.removeTree(folder)
                report.removed.append("folder \(folder)")
            } catch {
                report.left.append("folder \(folder): \(error)")
            }
        }
        // The folders above and the program belong to all meshes of the node; the last one out takes them.
        guard OtherMeshes(folders, storage).names.isEmpty else { return }
        if Files.exists(folders.binary) {
            remove(folders.binary, "program \(folders.binary)", &report)
        }
        // What uploads that were cut off have left.
        let program = Files.folder(of: folders.binary)
        for name in (try? Files.list(program, startingWith: "meshproof.new.")) ?? [] {
            remove("\(program)/\(name)", "file \(program)/\(name)", &report)
        }
        for folder in [
            folders.meshes, Files.folder(of: folders.run), Files.folder(of: folders.binary),
        ] {
            // Not empty means that somebody put something there: it is not ours.
            if rmdir(folder) == 0 { report.removed.append("folder \(folder)") }
        }
    }

    private func remove(_ path: String, _ line: String, _ report: inout RemovalReport) {
        do {
            try storage.remove(path)
            report.removed.append(line)
        } catch {
            report.left.append("\(line): \(error)")
        }
    }

    /// Processes that still hold an interface of the mesh once they have had three seconds to notice its end.
    private func lastingHolders() -> [String] {
        for _ in 0..<30 {
            if kernel.holders(mesh: folders.mesh).isEmpty { return [] }
            Clocks.sleep(0.1)
        }
        return kernel.holders(mesh: folders.mesh)
    }

    /// What of the mesh is still there.
    package func leftovers(_ networks: [IPPrefix]) -> [String] {
        var left: [String] = []
        do {
            let observed = try kernel.observe(scope(networks))
            left += observed.interfaces.map { "interface \($0.name)" }
            left += observed.routes.map { "route \($0.destination) (\($0.kind.rawValue))" }
            if observed.names != nil { left.append("lines in \(folders.hosts)") }
            if observed.guard != nil { left.append(Self.guardLine(folders.mesh)) }
        } catch {
            left.append("unknown: \(error)")
        }
        left += lastingHolders()
        left += kernel.tunnels.leftovers()
        for path in [folders.state, folders.run, folders.unit] where Files.exists(path) {
            left.append("file \(path)")
        }
        return left
    }
}
