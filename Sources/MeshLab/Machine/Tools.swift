import CLinux
import Glibc
import LinuxSystem

/// The system's own programs that a lab is made with.
enum Tools {
    /// By program: the Debian package that holds it.
    private static let needed = [
        ("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux"),
        ("setpriv", "util-linux"), ("setsid", "util-linux"), ("mount", "mount"),
        ("sshd", "openssh-server"), ("ssh-keygen", "openssh-client"),
    ]

    static func requireAll() throws(LabError) {
        let missing = needed.filter { Child.find($0.0) == nil }
        if missing.isEmpty { return }
        let packages = Set(missing.map(\.1)).sorted().joined(separator: " ")
        throw LabError(
            .missingTool, "find", missing.map(\.0).joined(separator: ", "), "not installed",
            hint: "apt-get install \(packages)")
    }

    static func requireRoot(_ deed: String) throws(LabError) {
        if geteuid() == 0 { return }
        throw LabError(
            .notPermitted, deed, "", "namespaces and mounts need root", hint: "run it with sudo")
    }

    /// Runs a program to its end and throws what it said where it failed.
    @discardableResult
    static func run(
        _ arguments: [String], input: String = "", timeout: Double = 60
    ) throws(LabError) -> CommandResult {
        let result: CommandResult
        do { result = try Child.run(arguments, input: Array(input.utf8), timeout: timeout) } catch {
            throw LabError(error)
        }
        if result.status.isSuccess { return result }
        let said = result.errorText.isEmpty ? result.text : result.errorText
        throw LabError(
            .failed, "run", arguments.joined(separator: " "),
            said.isEmpty ? "\(result.status)" : said)
    }

    /// Writes a kernel setting; where there is no such setting there is nothing to set.
    static func set(_ path: String, _ value: String) {
        let fd = cl_open(path, O_WRONLY | O_CLOEXEC, 0)
        if fd < 0 { return }
        let file = Descriptor(owning: fd)
        try? IO.writeAll(file.number, Array(value.utf8))
    }
}
