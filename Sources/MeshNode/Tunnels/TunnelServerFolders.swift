import SSHTunnel

extension NodeFolders {
    /// The tunnel server's configuration.
    var tunnelConfiguration: String { "\(tunnels)/sshd_config" }
    /// Who may come; 0644, since sshd reads it as the tunnels' user.
    var tunnelGrants: String { "\(tunnels)/authorized_keys" }
    /// Keys that have lost something, whose sessions are still to be ended: kept so that a crash does not forget it.
    var tunnelRevocations: String { "\(tunnels)/revoked" }
    /// sshd's words, by which a session is known to be a key's.
    var tunnelLog: String { "\(tunnels)/log" }
    /// sshd's process id.
    var tunnelPID: String { "\(tunnels)/pid" }
    /// The folder that sessions are shut into.
    var tunnelJail: String { "\(tunnels)/jail" }

    /// The files of a server with the host key in `hostKey`.
    func tunnelFiles(hostKey: String) -> TunnelServerFiles {
        TunnelServerFiles(
            hostKey: hostKey, authorizedKeys: tunnelGrants, pid: tunnelPID, jail: tunnelJail)
    }
}
