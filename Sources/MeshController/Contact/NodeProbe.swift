import LinuxSystem

/// What a plain shell says of a node before anything of ours runs there.
package struct NodeProbe: Sendable, Equatable {
    /// As `uname -s` and `-m` say.
    package var system = ""
    package var machine = ""
    /// SHA-256 of the installed program, or nil where there is none.
    package var digest: String?
    /// Whether the node belongs to the mesh already.
    package var isEnrolled = false
    /// Whether the agent's socket is there.
    package var hasSocket = false
    /// Whether the agent that runs is of another build than the installed program.
    package var isStale = false
    /// Whether systemd runs the machine.
    package var hasSystemd = false
    /// Our user id there, after sudo.
    package var uid: Int?

    /// Of a node of which nothing is known.
    package init() {}

    /// One command that answers all of it as `key=value` lines; it changes nothing.
    ///
    /// The agent's process is in its lock file; its `exe` leads to the very file it runs, even where another has taken
    /// the name since. *Source:* proc(5).
    package static func command(mesh: String) -> String {
        """
        echo uid=$(id -u); echo system=$(uname -s); echo machine=$(uname -m); \
        [ -x \(NodeProgram.installedPath) ] && \
        echo digest=$(sha256sum < \(NodeProgram.installedPath) | cut -d' ' -f1); \
        [ -e /var/lib/meshproof/\(mesh)/identity.json ] && echo enrolled=1; \
        [ -S /run/meshproof/\(mesh)/agent.sock ] && echo socket=1; \
        p=$(cat /run/meshproof/\(mesh)/agent.lock 2>/dev/null); [ -n "$p" ] && [ -e /proc/$p/exe ] && \
        ! [ /proc/$p/exe -ef \(NodeProgram.installedPath) ] && echo stale=1; \
        [ -d /run/systemd/system ] && echo systemd=1; exit 0
        """
    }

    /// Reads the answer; lines it does not know are ignored.
    package static func parse(_ text: String) -> NodeProbe {
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
            case "stale": probe.isStale = true
            case "systemd": probe.hasSystemd = true
            default: break
            }
        }
        return probe
    }
}
