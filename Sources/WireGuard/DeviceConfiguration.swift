public import MeshModel

/// Changes to a WireGuard device. What is nil, or not named, stays as it is.
public struct DeviceConfiguration: Sendable {
    /// A new private key.
    public var privateKey: (any SecretMaterial)?
    /// A new UDP port; 0 lets the kernel choose.
    public var listenPort: UInt16?
    /// A new firewall mark; 0 is none.
    public var fwmark: UInt32?
    /// Whether all peers go before those below come. It interrupts every one of them: for a fresh device only.
    public var replacePeers: Bool
    /// Peers to add, change or remove.
    public var peers: [PeerConfiguration]

    /// Changes nothing but what is given.
    public init(
        privateKey: (any SecretMaterial)? = nil, listenPort: UInt16? = nil, fwmark: UInt32? = nil,
        replacePeers: Bool = false, peers: [PeerConfiguration] = []
    ) {
        self.privateKey = privateKey
        self.listenPort = listenPort
        self.fwmark = fwmark
        self.replacePeers = replacePeers
        self.peers = peers
    }
}

/// What becomes of a peer's preshared key.
public enum PresharedKeyChange: Sendable {
    /// It is set, 32 bytes.
    case set(any SecretMaterial)
    /// It is taken away.
    case remove
}

/// Changes to one peer. What is nil stays as it is.
public struct PeerConfiguration: Sendable {
    /// Which peer.
    public var publicKey: PublicKey
    /// Whether it goes; nothing else counts then. *Idempotency:* a missing one is fine.
    public var remove: Bool
    /// Whether it is left alone where it is not there already.
    public var updateOnly: Bool
    /// A new preshared key, or none.
    public var presharedKey: PresharedKeyChange?
    /// A new endpoint.
    public var endpoint: SocketEndpoint?
    /// *Units:* seconds; 0 turns it off.
    public var keepalive: UInt16?
    /// The whole new list of allowed IPs, or what to add to it; see ``replaceAllowedIPs``.
    public var allowedIPs: [IPPrefix]?
    /// Whether ``allowedIPs`` replaces the list. False adds to it, which interrupts nothing that is there.
    public var replaceAllowedIPs: Bool

    /// Changes nothing but what is given.
    public init(
        publicKey: PublicKey, remove: Bool = false, updateOnly: Bool = false,
        presharedKey: PresharedKeyChange? = nil, endpoint: SocketEndpoint? = nil,
        keepalive: UInt16? = nil,
        allowedIPs: [IPPrefix]? = nil, replaceAllowedIPs: Bool = true
    ) {
        self.publicKey = publicKey
        self.remove = remove
        self.updateOnly = updateOnly
        self.presharedKey = presharedKey
        self.endpoint = endpoint
        self.keepalive = keepalive
        self.allowedIPs = allowedIPs
        self.replaceAllowedIPs = replaceAllowedIPs
    }
}
