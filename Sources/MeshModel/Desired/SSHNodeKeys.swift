/// The public halves of a node's two SSH keys for tunnels.
public struct SSHNodeKeys: Codable, Sendable, Hashable {
    /// Shown to other nodes' tunnel servers.
    public var client: PublicKey
    /// Shown by the node's own tunnel server.
    public var host: PublicKey

    /// Pairs the two.
    public init(client: PublicKey, host: PublicKey) {
        self.client = client
        self.host = host
    }

    /// Stands for keys that are not made yet.
    public static let unmade = SSHNodeKeys(client: .zero, host: .zero)
}
