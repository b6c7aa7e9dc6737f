import Glibc
import LinuxSystem
import Secrets

/// Puts this very program where nodes have it, whatever folder it was started from.
struct ProgramInstaller {
    let target: String

    /// True where it did; the same bytes are left alone.
    ///
    /// *Idempotency:* the new file takes the old one's name in one step, so that an agent that runs goes on.
    func install() throws(NodeError) -> Bool {
        let own = try NodeCommands.programPath()
        do throws(SystemError) {
            if Files.exists(target), try Digests.sha256(file: own) == Digests.sha256(file: target) {
                return false
            }
            try Files.makeFolder(Files.folder(of: target), mode: 0o755)
            try Files.replace(target, with: try Files.read(own, limit: 1 << 30), mode: 0o755)
        } catch { throw NodeError("install program", error) }
        return true
    }
}
