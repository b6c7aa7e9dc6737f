import Glibc
import LinuxSystem
import NodeProtocol
import Secrets

extension JoinLook {
    /// What is so on this machine now.
    init(on folders: NodeFolders) throws(NodeError) {
        var name = utsname()
        uname(&name)
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        let digest: String?
        do {
            digest =
                Files.exists(folders.binary) ? try Digests.sha256(file: folders.binary) : nil
        } catch { throw NodeError("read program", error) }
        self.init(
            system: text(name.sysname), machine: text(name.machine), digest: digest,
            isEnrolled: Files.exists(folders.identity), hasSocket: Files.exists(folders.socket),
            isStale: Self.isStale(folders), hasSystemd: Files.isFolder(folders.systemd))
    }

    /// Whether the process in the agent's lock runs another file than the installed one.
    private static func isStale(_ folders: NodeFolders) -> Bool {
        guard let bytes = try? Files.read(folders.lock, limit: 32),
            let process = Int32(String(decoding: bytes.prefix { $0 > 32 }, as: UTF8.self))
        else { return false }
        var (running, installed) = (stat(), stat())
        guard stat("/proc/\(process)/exe", &running) == 0, stat(folders.binary, &installed) == 0
        else { return false }
        return running.st_dev != installed.st_dev || running.st_ino != installed.st_ino
    }
}
