import Glibc
import LinuxSystem
import MeshModel

/// The system user that tunnels log in as: no shell, no password, no home; known as ours by its comment.
///
/// *Source:* passwd(5), useradd(8).
struct TunnelServerAccount {
    let mesh: String
    /// The account file that is looked into; others may come from elsewhere, but ours are always here.
    private static let file = "/etc/passwd"

    /// What stands in the account's comment; nobody else's account has it.
    var comment: String { "meshproof tunnels of \(mesh)" }

    /// The user id of an account, or nil where there is none.
    static func userID(of name: String) -> UInt32? {
        var entry = Glibc.passwd()
        var found: UnsafeMutablePointer<Glibc.passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else {
            return nil
        }
        return entry.pw_uid
    }

    /// The names of the accounts that are ours.
    func names() -> [String] {
        lines().filter { $0.count > 4 && $0[4] == comment }.map { $0[0] }
    }

    /// Whether there is an account `name`, and it is ours and as it should be.
    func isReady(_ name: String) -> Bool {
        names().contains(name)
    }

    /// Whether `name` may be the name of such an account.
    static func isName(_ name: String) -> Bool {
        (4...32).contains(name.utf8.count) && name.hasPrefix("mp-")
            && name.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// Makes the account if there is none.
    func ensure(_ name: String) throws(TunnelServerFailure) {
        if isReady(name) { return }
        guard Self.isName(name) else {
            throw TunnelServerFailure(
                .unexpected, "\(name.prefix(40)) is no name for the tunnels' user",
                fix: "it begins with mp- and has up to 32 of a-z, 0-9 and -")
        }
        guard Self.userID(of: name) == nil else {
            throw TunnelServerFailure(
                .serverFailed, "there is a user \(name) already, and it is not meshproof's",
                fix: "rename that user, or choose another name for the mesh")
        }
        // sshd refuses an account whose password field begins with `!`, as useradd leaves it, keys or not; with `*`
        // there is no password just the same.
        try run([
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
            "--shell", "/usr/sbin/nologin", "--comment", comment, "--password", "*", name,
        ])
    }

    /// Removes every account that is ours, and says which.
    func remove() throws(TunnelServerFailure) -> [String] {
        let there = names()
        for name in there { try run(["userdel", name]) }
        return there.map { "user \($0)" }
    }

    private func run(_ command: [String]) throws(TunnelServerFailure) {
        var result: CommandResult
        var tries = 0
        repeat {
            if tries > 0 { Clocks.sleep(0.5) }
            do { result = try Child.run(command, timeout: 30) } catch {
                throw TunnelServerFailure(
                    .serverFailed, "\(command[0]): \(error)",
                    fix: "install the package passwd, which has \(command[0])")
            }
            tries += 1
            // Another mesh's agent, or an administrator, may be changing the file just now.
        } while !result.status.isSuccess && result.errorText.contains("lock") && tries < 10
        guard result.status.isSuccess else {
            throw TunnelServerFailure(
                .serverFailed, "\(command[0]) says: \(result.errorText)",
                fix: "see that /etc/passwd can be written to and nobody has it locked")
        }
    }

    private func lines() -> [[String]] {
        let text = (try? Files.read(Self.file)) ?? []
        return text.split(separator: 10).map { line in
            String(decoding: line, as: UTF8.self)
                .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }
}
