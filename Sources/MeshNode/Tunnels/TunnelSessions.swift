import Glibc
import LinuxSystem
import MeshModel

/// The sessions of a mesh's tunnel server: counted, told apart by key, and ended.
///
/// A session is two processes: root's, which watches, and the tunnels' user's, which is shut into the jail. The jail is
/// this mesh's alone, so a process that has it for `/` is ours and no other can be.
struct TunnelSessions {
    let folders: NodeFolders

    /// One session.
    struct Session {
        /// The user's process.
        var process: Int32
        /// Root's process above it; nil where that has gone before.
        var watcher: Int32?
        /// Where it comes from.
        var remote: SocketEndpoint?
        /// The fingerprint of the key that it came in by; nil where the log does not tell.
        var key: String?
    }

    /// How many sessions are open, and those whose keys are not among `granted`. Needs no privilege.
    ///
    /// *Throws:* where the kernel does not list its sockets.
    func count(port: UInt16, granted: Set<String>) throws(SystemError) -> (all: Int, unwanted: Int)
    {
        let log = log()
        let open = try SocketTable.read(port: port).rows.filter(\.isEstablished)
        let keys = open.compactMap { log.keys[$0.remote] }
        return (keys.count, keys.filter { !granted.contains($0) }.count)
    }

    /// All sessions. *Privilege:* root with CAP_SYS_PTRACE; without it there seem to be none.
    func all() -> [Session] {
        let log = log()
        let rows = ((try? SocketTable.read(port: nil))?.rows ?? []).filter { !$0.isListening }
        let places = Dictionary(rows.map { ($0.inode, $0.remote) }, uniquingKeysWith: { $1 })
        let isOurs = recogniser()
        return ProcessTable.all().filter(isOurs).map { process in
            let watcher = ProcessTable.parent(process).flatMap { parent in
                Self.isServer(parent) ? parent : nil
            }
            // The watcher has no other connection; the session has those to its targets too.
            let sockets = ProcessTable.sockets(watcher ?? process).values
            let remotes = sockets.compactMap { places[$0] }.filter { log.keys[$0] != nil }
            let remote = remotes.count == 1 ? remotes[0] : nil
            return Session(
                process: process, watcher: watcher, remote: remote,
                key: remote.flatMap { log.keys[$0] })
        }
    }

    /// What tells a session's own process from all others.
    private func recogniser() -> (Int32) -> Bool {
        let jail = FileID(folders.tunnelJail)
        let account = TunnelServerAccount(mesh: folders.mesh)
        let users = Set(account.names().compactMap { TunnelServerAccount.userID(of: $0) })
        return { pid in
            if let jail, ProcessTable.root(pid) == jail { return true }
            // Should somebody have removed the jail from under it. The same number may be another user's elsewhere.
            guard let user = ProcessTable.user(pid), users.contains(user) else { return false }
            return Self.isServer(pid) && ProcessTable.isHere(pid) == true
        }
    }

    /// The log as it is.
    func log() -> SessionLog {
        SessionLog((try? Files.read(folders.tunnelLog)) ?? [])
    }

    /// Ends sessions, with all that goes through them; what does not end comes back.
    func end(_ sessions: [Session]) -> [Session] {
        let isOurs = recogniser()
        return sessions.filter { session in
            // The watcher passes SIGTERM on; where it is gone, or does not, the session's own process is ended.
            var gone = true
            if let watcher = session.watcher {
                gone = ProcessTable.end(watcher, patience: 2) {
                    Self.isServer($0) && ProcessTable.parent(session.process) == $0
                }
            }
            return !ProcessTable.end(session.process, patience: 1, isStillIt: isOurs) || !gone
        }
    }

    /// Whether a process is an sshd of any kind.
    static func isServer(_ pid: Int32) -> Bool {
        guard let file = ProcessTable.program(pid)?.split(separator: "/").last else { return false }
        return file.hasPrefix("sshd")
    }
}
