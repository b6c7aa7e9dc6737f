/// Which sets of keys are in use on a mesh, and since when.
public struct KeyGenerations: Sendable, Hashable {
    /// The set of WireGuard keys and preshared keys, 0...9 in turn.
    public var wireguard: Int
    /// The set of SSH keys of tunnels and their servers, 0...9 in turn.
    public var ssh: Int
    /// When the WireGuard keys came into use. *Units:* seconds since 1970; nil where nobody noted it.
    public var wireguardSince: Double?
    /// When the SSH keys came into use. *Units:* seconds since 1970; nil where nobody noted it.
    public var sshSince: Double?
    /// When the WireGuard keys of some nodes came into use, where that was at another time than for the rest.
    public var nodesSince: [String: Double]
    /// When all preshared keys came into use, where that was later than for the WireGuard keys.
    public var presharedSince: Double?

    /// Gathers the parts.
    public init(
        wireguard: Int = 0, ssh: Int = 0, wireguardSince: Double? = nil, sshSince: Double? = nil,
        nodesSince: [String: Double] = [:], presharedSince: Double? = nil
    ) {
        self.wireguard = wireguard
        self.ssh = ssh
        self.wireguardSince = wireguardSince
        self.sshSince = sshSince
        self.nodesSince = nodesSince
        self.presharedSince = presharedSince
    }

    /// When the oldest WireGuard key among those of these nodes came into use; nil where nobody noted it.
    public func oldestWireguard(of nodes: [String]) -> Double? {
        let since = nodes.map { nodesSince[$0] ?? wireguardSince }
        if since.isEmpty { return wireguardSince }
        return since.contains(nil) ? nil : since.compactMap(\.self).min()
    }

    /// The one that follows: interface names have room for one digit.
    public static func next(after generation: Int) -> Int { (generation + 1) % 10 }
}

extension KeyGenerations: Codable {
    private enum Key: String, CodingKey {
        case wireguard, ssh, wireguardSince, sshSince, nodesSince, presharedSince
    }

    /// What an older version has written has no ages of single nodes.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        self.init(
            wireguard: try fields.decode(Int.self, forKey: .wireguard),
            ssh: try fields.decode(Int.self, forKey: .ssh),
            wireguardSince: try fields.decodeIfPresent(Double.self, forKey: .wireguardSince),
            sshSince: try fields.decodeIfPresent(Double.self, forKey: .sshSince),
            nodesSince: try fields.decodeIfPresent([String: Double].self, forKey: .nodesSince)
                ?? [:],
            presharedSince: try fields.decodeIfPresent(Double.self, forKey: .presharedSince))
    }
}
