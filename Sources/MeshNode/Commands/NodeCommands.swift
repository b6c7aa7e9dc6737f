import Glibc
import LinuxSystem
import NodeProtocol

/// The node side of the program: `meshproof node enroll|agent|bridge|leave`.
///
/// *Privilege:* root. People need none of these by hand but `leave`; the controller runs them over SSH.
public enum NodeCommands {
    static let usage = """
        meshproof node enroll --mesh NAME --mesh-id HEX --node NODE --controller-key BASE64 \
        | agent --mesh NAME [--detached] | bridge --mesh NAME | leave --mesh NAME \
        [--mesh-id HEX --node NODE --controller-key BASE64] [--json]
        """

    /// Runs the command that `arguments` begin with, after the word `node`; the exit code comes back.
    ///
    /// *Shape:* 0 fine, 1 failure, 64 usage, 69 no agent answers, 77 not root, 78 not enrolled, 85 the mesh is gone
    /// (agent only). Errors are one line on standard error.
    public static func run(arguments: [String]) -> Int32 {
        do throws(NodeError) {
            let rest = Array(arguments.dropFirst())
            guard geteuid() == 0 else {
                throw NodeError(
                    .notPermitted, "run node command", "", "it needs root", hint: "use sudo")
            }
            switch arguments.first {
            case "enroll": return try EnrollCommand.run(rest)
            case "agent": return try AgentCommand.run(rest)
            case "bridge": return try BridgeCommand.run(rest)
            case "leave": return try LeaveCommand.run(rest)
            case "probe": return try ProbeCommand.run(rest)
            case "facts": return try FactsCommand.run(rest)
            case "witness": return try WitnessCommand.run(rest)
            case "names": return try NamesCommand.run(rest)
            case "relay": return try RelayCommand.run(rest)
            case "try-keys": return try TryKeysCommand.run(rest)
            case "tunnel-server": return try TunnelServerCommand.run(rest)
            default:
                throw NodeError(.usage, "read arguments", "", "no such node command", hint: usage)
            }
        } catch {
            report(error)
            return exitCode(of: error)
        }
    }

    static func report(_ error: NodeError) {
        try? IO.writeAll(2, "meshproof: \(error)\n".utf8)
    }

    static func exitCode(of error: NodeError) -> Int32 {
        switch error.code {
        // *Source:* sysexits.h: EX_USAGE, EX_NOPERM, EX_CONFIG, EX_UNAVAILABLE.
        case .usage: return 64
        case .notPermitted: return 77
        case .notEnrolled: return 78
        case .agentSilent: return 69
        default: return 1
        }
    }

    /// The identity of a node that is enrolled.
    static func identity(
        _ folders: NodeFolders, _ storage: any NodeStorage
    ) throws(NodeError) -> NodeIdentity {
        if let identity = try NodeIdentity.read(folders, storage) { return identity }
        throw NodeError(
            .notEnrolled, "find mesh", folders.mesh, "this node is not enrolled in it",
            hint: "run `meshproof up` on the controller")
    }

    /// The kernel's boot id.
    static func bootID() -> String {
        let bytes = (try? Files.read("/proc/sys/kernel/random/boot_id", limit: 64)) ?? []
        return String(decoding: bytes.prefix { $0 > 32 }, as: UTF8.self)
    }

    /// The file that this program runs from.
    static func programPath() throws(NodeError) -> String {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &buffer, 4_095)
        guard count > 0 else {
            throw NodeError(
                .storage, "find program", "/proc/self/exe", SystemError.text(errno),
                hint: "mount /proc")
        }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
