import Glibc
import LinuxSystem
import Secrets

/// This program as it is put on nodes: its file, its checksum and what it runs on.
public struct NodeProgram: Sendable {
    /// Where it lies on a node.
    public static let installedPath = "/usr/local/lib/meshproof/meshproof"

    /// The file on this machine.
    public let path: String
    /// SHA-256, in hexadecimal.
    public let digest: String
    /// As `uname -m` says it.
    public let machine: String

    /// Names a program's parts.
    package init(path: String, digest: String, machine: String) {
        self.path = path
        self.digest = digest
        self.machine = machine
    }

    /// The program that is running now.
    public static func running() throws(ControllerError) -> NodeProgram {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        if length <= 0 { throw ControllerError(.state, "cannot tell which file this program is") }
        let path = String(decoding: buffer[..<length], as: UTF8.self)
        do {
            return NodeProgram(
                path: path, digest: try Digests.sha256(file: path), machine: machine())
        } catch { throw ControllerError(.state, "cannot read this program: \(error)") }
    }

    private static func machine() -> String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
