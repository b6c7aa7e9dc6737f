import CLinux
import Glibc
import LinuxSystem

/// Ways into a lab's namespaces, all through util-linux's `nsenter`.
enum LabEntry {
    /// Set for whatever runs inside a lab, to the mesh's name.
    private static let variable = "MESHPROOF_LAB"

    static var current: String? { getenv(variable).map { String(cString: $0) } }

    static func host(
        _ names: LabNames, _ node: String, _ command: [String]
    ) throws(LabError) -> [String] {
        let lock = "\(names.host(node))/lock"
        guard let pid = Processes.lockHolders([lock])[lock] else { throw notUp(names, node) }
        return [
            "nsenter", "--target", String(pid), "--mount", "--root", "--uts", "--ipc", "--net",
            "--pid", "--",
        ] + command
    }

    /// The lan has no process of its own. Each entry gets a mount namespace with the lab's hosts file as /etc/hosts,
    /// because that is what getaddrinfo reads, name lookup that asks no server, and the lan's own /sys.
    static func lan(_ names: LabNames, _ command: [String]) throws(LabError) -> [String] {
        let file = names.namespaceFile(LabNames.lan)
        guard Processes.namespaceID(file) != nil, Files.exists(names.hostsFile) else {
            throw notUp(names, LabNames.lan)
        }
        // -n: mount's own notes in /run would outlive this.
        let script = """
            mount -n --bind "$0/etc-hosts" /etc/hosts && mount -n --bind "$0/nsswitch" /etc/nsswitch.conf &&
            mount -n -t sysfs sysfs /sys && exec "$@"
            """
        return [
            "nsenter", "--net=\(file)", "--", "unshare", "--mount", "--", "/bin/sh", "-c", script,
            names.root,
        ] + command
    }

    /// Becomes `arguments`; returns only to throw.
    static func replaceProcess(
        _ arguments: [String], lab: String, keepingFolder: Bool = false
    ) throws(LabError) -> Never {
        var arguments = arguments
        if keepingFolder, arguments.contains("--target"), let folder = Files.workingFolder {
            arguments.insert("--wd=\(folder)", at: 1)
        }
        setenv(variable, lab, 1)
        let path = Child.find(arguments[0]) ?? arguments[0]
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        execv(path, argv)
        throw LabError(SystemError("exec", path, errno: errno))
    }

    private static func notUp(_ names: LabNames, _ node: String) -> LabError {
        LabError(
            .notUp, "enter", node, "the lab of \(names.mesh) is not up",
            hint: "meshproof lab up")
    }
}
