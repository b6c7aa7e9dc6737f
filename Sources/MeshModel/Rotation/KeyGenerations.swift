/// Which sets of keys are in use on a mesh, and since when.
public struct KeyGenerations: Codable, Sendable, Hashable {
    /// The set of WireGuard keys and preshared keys, 0...9 in turn.
    public var wireguard: Int
    /// The set of SSH keys of tunnels and their servers, 0...9 in turn.
    public var ssh: Int
    /// When the WireGuard keys came into use. *Units:* seconds since 1970; nil where nobody noted it.
    public var wireguardSince: Double?
    /// When the SSH keys came into use. *Units:* seconds since 1970; nil where nobody noted it.
    public var sshSince: Double?

    /// Gathers the parts.
    public init(
        wireguard: Int = 0, ssh: Int = 0, wireguardSince: Double? = nil, sshSince: Double? = nil
    ) {
        self.wireguard = wireguard
        self.ssh = ssh
        self.wireguardSince = wireguardSince
        self.sshSince = sshSince
    }

    /// The one that follows: interface names have room for one digit.
    public static func next(after generation: Int) -> Int { (generation + 1) % 10 }
}
