/// Whom to connect to, as the operator wrote it. ssh_config fills in what is nil.
public struct SSHTarget: Sendable, Equatable {
    /// The login name; nil takes ssh_config's, or the caller's own.
    public var user: String?
    /// A host name, an address, or a `Host` alias of ssh_config.
    public var host: String
    /// The TCP port; nil takes ssh_config's, or 22.
    public var port: UInt16?
    /// The ssh_config to read instead of the user's and the system's.
    public var configFile: String?
    /// The one host key that is accepted, as `SHA256:…`; it overrides known_hosts.
    public var pinnedHostKey: String?

    /// Names a target.
    public init(
        user: String? = nil, host: String, port: UInt16? = nil, configFile: String? = nil,
        pinnedHostKey: String? = nil
    ) {
        self.user = user
        self.host = host
        self.port = port
        self.configFile = configFile
        self.pinnedHostKey = pinnedHostKey
    }

    /// `user@host:port`, with only the parts that were given.
    public var text: String {
        let name = host.contains(":") && port != nil ? "[\(host)]" : host
        return (user.map { "\($0)@" } ?? "") + name + (port.map { ":\($0)" } ?? "")
    }
}
