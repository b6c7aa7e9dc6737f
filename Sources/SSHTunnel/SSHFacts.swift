/// What was negotiated with a server: evidence for `status` and `verify`.
public struct SSHFacts: Sendable, Equatable {
    /// The login name on the server.
    public let user: String
    /// The host as ssh_config resolved it.
    public let host: String
    /// The port as ssh_config resolved it.
    public let port: UInt16
    /// The address that was reached, or nil behind a proxy command.
    public let address: String?
    /// The key exchange method, for instance `curve25519-sha256`.
    public let keyExchange: String
    /// The cipher of what we receive.
    public let cipherIn: String
    /// The cipher of what we send.
    public let cipherOut: String
    /// The MAC of what we receive; `aead` where the cipher authenticates by itself.
    public let macIn: String
    /// The MAC of what we send; `aead` where the cipher authenticates by itself.
    public let macOut: String
    /// The host key's type, for instance `ssh-ed25519`.
    public let hostKeyType: String
    /// The host key's fingerprint, as `SHA256:…`.
    public let hostKeyFingerprint: String
    /// How the host key was known: `pinned`, or the file and line of known_hosts.
    public let hostKeySource: String
    /// What let us in: `agent`, or the identity file's path.
    public let identity: String
    /// The server's identification string, for instance `SSH-2.0-OpenSSH_9.2p1`.
    public let serverBanner: String
}
