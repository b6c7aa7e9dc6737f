import Glibc
import LinuxSystem

/// The user that the topology's `connect` names, made in the host's private /etc where the machine has none.
enum HostAccounts {
    static func build(_ spec: HostSpec) throws(LabError) {
        do throws(SystemError) {
            let home = try ensureUser(spec.user)
            try unlock(spec.user)
            try plainShell(spec.user)
            try Files.makeFolder(home.path, mode: 0o755)
            try check("chown", home.path) { chown(home.path, home.uid, home.gid) }
        } catch {
            throw LabError(error)
        }
        if spec.user != "root" { try allowSudo(spec.user) }
    }

    private struct Home {
        var path: String
        var uid: UInt32
        var gid: UInt32
    }

    private static func ensureUser(_ user: String) throws(SystemError) -> Home {
        let lines = try lines("/etc/passwd")
        if let fields = lines.first(where: { $0.first == user }), fields.count > 5,
            let uid = UInt32(fields[2]), let gid = UInt32(fields[3])
        {
            return Home(path: fields[5], uid: uid, gid: gid)
        }
        let taken = Set(
            lines.compactMap { $0.count > 3 ? UInt32($0[2]) : nil }
                + (try self.lines("/etc/group")).compactMap { $0.count > 2 ? UInt32($0[2]) : nil })
        let id = (1000...59_999 as ClosedRange<UInt32>).first { !taken.contains($0) } ?? 1000
        let home = "/home/\(user)"
        try append("/etc/passwd", "\(user):x:\(id):\(id)::\(home):/bin/sh")
        try append("/etc/group", "\(user):x:\(id):")
        try append("/etc/shadow", "\(user):*:19000:0:99999:7:::")
        return Home(path: home, uid: id, gid: id)
    }

    /// sshd refuses an account whose password field starts with `!`, keys or not, when PAM does not decide.
    private static func unlock(_ user: String) throws(SystemError) {
        var entries = try lines("/etc/shadow")
        guard let index = entries.firstIndex(where: { $0.first == user }), entries[index].count > 1,
            entries[index][1].hasPrefix("!")
        else { return }
        entries[index][1] = "*"
        let text = entries.map { $0.joined(separator: ":") }.joined(separator: "\n") + "\n"
        try Files.replace("/etc/shadow", with: text.utf8, mode: 0o640)
    }

    /// A login shell that reads no files: a rehearsal must not depend on, or change, what the operator's own
    /// start-up files do. Bash reads ~/.bashrc for every command that comes over SSH.
    private static func plainShell(_ user: String) throws(SystemError) {
        var entries = try lines("/etc/passwd")
        guard let index = entries.firstIndex(where: { $0.first == user }), entries[index].count > 6
        else { return }
        entries[index][6] = "/bin/sh"
        let text = entries.map { $0.joined(separator: ":") }.joined(separator: "\n") + "\n"
        try Files.replace("/etc/passwd", with: text.utf8, mode: 0o644)
    }

    private static func allowSudo(_ user: String) throws(LabError) {
        guard Child.find("sudo") != nil else {
            throw LabError(
                .missingTool, "log in as", user, "a user who is not root needs sudo on the host",
                hint: "apt-get install sudo, or connect as root")
        }
        do {
            try Files.makeFolder("/etc/sudoers.d", mode: 0o750)
            try Files.replace(
                "/etc/sudoers.d/meshproof-lab", with: "\(user) ALL=(ALL) NOPASSWD: ALL\n".utf8,
                mode: 0o440)
        } catch {
            throw LabError(error)
        }
    }

    private static func lines(_ path: String) throws(SystemError) -> [[String]] {
        let text = try Files.readIfPresent(path) ?? []
        return text.split(separator: 10).map { line in
            String(decoding: line, as: UTF8.self)
                .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }

    private static func append(_ path: String, _ line: String) throws(SystemError) {
        var text = try Files.readIfPresent(path) ?? []
        if text.last.map({ $0 != 10 }) ?? false { text.append(10) }
        let mode = Files.mode(path) ?? 0o644
        try Files.replace(path, with: text + Array("\(line)\n".utf8), mode: mode)
    }
}
