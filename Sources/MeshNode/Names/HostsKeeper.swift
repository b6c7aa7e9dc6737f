import CLinux
import Glibc
package import LinuxSystem
package import MeshModel
import NodeProtocol

/// Keeps the mesh's block in /etc/hosts.
package final class HostsKeeper {
    private let folders: NodeFolders
    private let text: HostsText
    /// Set where the agent's sandbox does not let it write the file itself.
    private let program: String?
    private var problem: String?

    /// - Parameter program: this program's file, for systemd to run outside the agent's sandbox.
    package init(folders: NodeFolders, program: String?) {
        self.folders = folders
        let isShutIn = Files.isFolder(folders.systemd) && TunnelServerHelper.isNeeded
        self.program = isShutIn ? program : nil
        text = HostsText(mesh: folders.mesh)
    }

    /// Nil where there is no block and none is wanted.
    package func observe(_ wanted: DesiredNames?) -> ObservedNames? {
        let bytes = (try? Files.readIfPresent(folders.hosts, limit: 16 << 20)) ?? []
        let found = text.found(in: bytes)
        guard let wanted else { return found.map { _ in ObservedNames(differences: []) } }
        let lines = text.block(wanted)
        var differences: [String] = []
        if Files.exists(folders.hostsRewrite) { differences.append("a rewrite was cut short") }
        if let found {
            let (old, new) = (Set(found), Set(lines))
            differences += lines.filter { !old.contains($0) }.map { "\($0.spaced) is missing" }
            differences += found.filter { !new.contains($0) }.map { "\($0.spaced) is not wanted" }
            if differences.isEmpty && found != lines { differences = ["the order differs"] }
        } else {
            differences.append("there are none")
        }
        return ObservedNames(differences: differences, problem: problem)
    }

    /// Puts the block there. *Throws:* ``SystemError``, which ``observe(_:)`` tells from then on.
    package func set(_ wanted: DesiredNames) throws(SystemError) {
        try attempt { () throws(SystemError) in
            guard let program else { return try rewrite { text.setting(wanted, in: $0) } }
            let input: [UInt8]
            do { input = try Wire.encode(wanted) } catch {
                throw SystemError("encode names", folders.hosts, errno: EINVAL)
            }
            try outside(program, "set", input)
        }
    }

    /// Takes the block away; none is fine. *Throws:* as ``set(_:)``.
    package func remove() throws(SystemError) {
        try attempt { () throws(SystemError) in
            guard let program else { return try rewrite { text.removing(from: $0) } }
            try outside(program, "remove", [])
        }
    }

    private func attempt(_ body: () throws(SystemError) -> Void) throws(SystemError) {
        do throws(SystemError) {
            try body()
            problem = nil
        } catch {
            problem = error.description
            throw error
        }
    }

    private func rewrite(_ change: ([UInt8]) -> [UInt8]) throws(SystemError) {
        let file = folders.hosts
        // What a rewrite that was cut short was about to write is whole; what is in the file may not be.
        let saved = try Files.readIfPresent(folders.hostsRewrite, limit: 16 << 20)
        var old = saved ?? []
        if saved == nil { old = try Files.readIfPresent(file, limit: 16 << 20) ?? [] }
        let new = change(old)
        if new != old || saved != nil {
            do throws(SystemError) {
                try Files.replace(file, with: new, mode: Files.mode(file) ?? 0o644)
            } catch {
                // Containers have it as a mount of its own, which can be written but not renamed over.
                guard [EBUSY, EXDEV, EROFS, EACCES, EPERM].contains(error.errno) else {
                    throw error
                }
                try overwrite(file, new)
            }
        }
        try Files.remove(folders.hostsRewrite)
    }

    /// Writes into the file itself; a copy of what is being written lies beside the state meanwhile, so that a crash
    /// half-way loses nothing.
    private func overwrite(_ file: String, _ bytes: [UInt8]) throws(SystemError) {
        try Files.makeFolder(Files.folder(of: folders.hostsRewrite))
        try Files.replace(folders.hostsRewrite, with: bytes)
        let handle = Descriptor(
            owning: try check("open", file) { cl_open(file, O_WRONLY | O_CLOEXEC, 0) })
        let number = handle.number
        do { try IO.writeAll(number, bytes) } catch {
            throw SystemError("write", file, errno: error.errno)
        }
        try check("truncate", file) { ftruncate(number, bytes.count) }
        try check("fsync", file) { fsync(number) }
    }

    /// Has systemd run this program outside the agent's sandbox.
    private func outside(
        _ program: String, _ verb: String, _ input: [UInt8]
    ) throws(SystemError) {
        let result = try Child.run(
            [
                "systemd-run", "--quiet", "--wait", "--pipe", "--collect",
                "--description=meshproof: names of \(folders.mesh)", "--", program, "node",
                "names", verb, "--mesh", folders.mesh,
            ], input: input, timeout: 60, limit: 1 << 20)
        if !result.status.isSuccess {
            throw SystemError("systemd-run: \(result.errorText)", folders.hosts, errno: EIO)
        }
    }
}

extension String {
    /// With a space for a tab: for people.
    fileprivate var spaced: String { replacing("\t", with: " ") }
}
