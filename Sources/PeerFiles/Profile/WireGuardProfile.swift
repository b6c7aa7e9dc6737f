public import MeshModel

/// A WireGuard interface as a configuration file describes it: for a node that runs without an agent.
///
/// It holds no private key; who writes the text says what is to stand there.
public struct WireGuardProfile: Sendable, Equatable {
    /// One `[Peer]`.
    public struct Peer: Sendable, Equatable {
        /// What it is called, for a comment.
        public var name: String
        /// Its public key.
        public var publicKey: PublicKey
        /// The preshared key in base64, or nil for none. A secret.
        public var presharedKey: String?
        /// Where it is reached, or nil where it calls.
        public var endpoint: Endpoint?
        /// What goes to it and may come from it.
        public var allowedIPs: [IPPrefix]
        /// Seconds between keepalives, or nil for none.
        public var keepalive: UInt16?

        /// Gathers the parts.
        public init(
            name: String, publicKey: PublicKey, presharedKey: String? = nil,
            endpoint: Endpoint? = nil, allowedIPs: [IPPrefix], keepalive: UInt16? = nil
        ) {
            self.name = name
            self.publicKey = publicKey
            self.presharedKey = presharedKey
            self.endpoint = endpoint
            self.allowedIPs = allowedIPs
            self.keepalive = keepalive
        }
    }

    /// What stands for the private key.
    public enum KeyLine: Sendable, Equatable {
        /// The key itself in base64. A secret.
        case key(String)
        /// A file on the machine that holds it.
        case file(String)
        /// A line that says what to put there.
        case placeholder
    }

    /// What it is, for a comment at the head.
    public var title: String
    /// Further comments at the head, for who reads the file back.
    public var remarks: [String] = []
    /// The node's own addresses.
    public var addresses: [IPPrefix]
    /// The UDP port, or nil for any.
    public var listenPort: UInt16?
    /// Name servers to use while it is up.
    public var dns: [String]
    /// *Units:* bytes.
    public var mtu: Int?
    /// Who may talk.
    public var peers: [Peer]

    /// Gathers the parts.
    public init(
        title: String, addresses: [IPPrefix], listenPort: UInt16? = nil, dns: [String] = [],
        mtu: Int? = nil, peers: [Peer]
    ) {
        self.title = title
        self.addresses = addresses
        self.listenPort = listenPort
        self.dns = dns
        self.mtu = mtu
        self.peers = peers
    }

    /// A node's interface as a document wants it.
    ///
    /// - Parameter presharedKeys: the keys that it names, in base64.
    public init(
        _ interface: DesiredInterface, title: String, presharedKeys: [PresharedKeyID: String] = [:]
    ) {
        self.init(
            title: title, addresses: interface.addresses, listenPort: interface.listenPort,
            mtu: interface.mtu,
            peers: interface.peers.map { peer in
                Peer(
                    name: peer.node, publicKey: peer.publicKey,
                    presharedKey: peer.presharedKey.flatMap { presharedKeys[$0] },
                    endpoint: peer.endpoint, allowedIPs: peer.allowedIPs, keepalive: peer.keepalive)
            })
    }
}
