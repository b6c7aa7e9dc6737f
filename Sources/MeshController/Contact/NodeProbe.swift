import LinuxSystem

/// What a plain shell says of a node before anything of ours runs there.
struct NodeProbe: Sendable, Equatable {
    /// As `uname -s` and `-m` say.
    var system = ""
    var machine = ""
    /// SHA-256 of the installed program, or nil where there is none.
    var digest: String?
    /// Whether the node belongs to the mesh already.
    var isEnrolled = false
    /// Whether the agent's socket is there.
    var hasSocket = false
    /// Whether systemd runs the machine.
    var hasSystemd = false
    /// Our user id there, after sudo.
    var uid: Int?

    /// One command that answers all of it as `key=value` lines; it changes nothing.
    static func command(mesh: String) -> String {
        """
        echo uid=$(id -u); echo system=$(uname -s); echo machine=$(uname -m); \
        [ -x \(NodeProgram.installedPath) ] && \
        echo digest=$(sha256sum < \(NodeProgram.installedPath) | cut -d' ' -f1); \
        [ -e /var/lib/meshproof/\(mesh)/identity.json ] && echo enrolled=1; \
        [ -S /run/meshproof/\(mesh)/agent.sock ] && echo socket=1; \
        [ -d /run/systemd/system ] && echo systemd=1; exit 0
        """
    }

    /// Reads the answer; lines it does not know are ignored.
    static func parse(_ text: String) -> NodeProbe {
        var probe = NodeProbe()
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "uid": probe.uid = Int(parts[1])
            case "system": probe.system = parts[1]
            case "machine": probe.machine = parts[1]
            case "digest": probe.digest = parts[1]
            case "enrolled": probe.isEnrolled = true
            case "socket": probe.hasSocket = true
            case "systemd": probe.hasSystemd = true
            default: break
            }
        }
        return probe
    }
}
