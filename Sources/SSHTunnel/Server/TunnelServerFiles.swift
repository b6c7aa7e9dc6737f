/// The files that a tunnel server's configuration names, by absolute path.
public struct TunnelServerFiles: Sendable, Equatable {
    /// The private half of its host key.
    public var hostKey: String
    /// Who may come, and what for; readable by the tunnels' user, who is the one to read it.
    public var authorizedKeys: String
    /// Where sshd notes its process id.
    public var pid: String
    /// The folder that a session is shut into: empty but for the folders of the unix sockets that are granted.
    public var jail: String

    /// Gathers the parts.
    public init(hostKey: String, authorizedKeys: String, pid: String, jail: String) {
        self.hostKey = hostKey
        self.authorizedKeys = authorizedKeys
        self.pid = pid
        self.jail = jail
    }
}
