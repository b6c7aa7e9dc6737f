import Glibc
import LinuxSystem

/// The management sshd of a host: keys only, the lab's key only, its own host key.
enum HostSSHD {
    /// Where the host keeps what the lab gave it; part of its private /run.
    static let folder = "/run/lab"

    /// Writes the configuration; the command that runs it in the foreground.
    static func prepare(_ spec: HostSpec) throws(LabError) -> [String] {
        guard let programme = Child.find("sshd") else {
            throw LabError(
                .missingTool, "start", "sshd", "not installed",
                hint: "apt-get install openssh-server")
        }
        let text = """
            # The management sshd of lab host \(spec.node).
            Port \(spec.sshPort)
            HostKey \(folder)/ssh_host_ed25519_key
            AuthorizedKeysFile \(folder)/authorized_keys
            AllowUsers \(spec.user)
            PermitRootLogin prohibit-password
            PubkeyAuthentication yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            UsePAM no
            UseDNS no
            PrintMotd no
            MaxStartups 100
            MaxSessions 100
            PidFile /run/sshd.pid
            Subsystem sftp internal-sftp

            """
        do {
            try Files.replace("\(folder)/sshd_config", with: text.utf8, mode: 0o644)
        } catch {
            throw LabError(error)
        }
        return [programme, "-D", "-e", "-f", "\(folder)/sshd_config"]
    }
}
