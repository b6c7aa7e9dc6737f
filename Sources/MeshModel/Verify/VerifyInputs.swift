/// What resolving for `verify` needs beside the topology.
public struct VerifyInputs: Sendable {
    /// Every managed node's document as the topology wants it.
    public var documents: [String: NodeDocument]
    /// Tunnels as they were before the step of a rotation that is being taken, by edge.
    public var formerTunnels: [String: DesiredTunnel]
    /// Every node's overlay addresses.
    public var addresses: [String: [IPAddress]]
    /// Unmanaged nodes' public keys, by node.
    public var unmanagedKeys: [String: PublicKey]
    /// How each machine shows on the wire, by node; what the nodes themselves said.
    public var faces: [String: HostFace]
    /// Users that run clients, by node and by the port that they are connected to.
    public var clients: [String: [UInt16: UInt32]]
    /// The run's nonce, 32 hexadecimal digits.
    public var nonce: String

    /// Gathers the parts.
    public init(
        documents: [String: NodeDocument], formerTunnels: [String: DesiredTunnel] = [:],
        addresses: [String: [IPAddress]],
        unmanagedKeys: [String: PublicKey] = [:], faces: [String: HostFace],
        clients: [String: [UInt16: UInt32]] = [:], nonce: String
    ) {
        self.documents = documents
        self.formerTunnels = formerTunnels
        self.addresses = addresses
        self.unmanagedKeys = unmanagedKeys
        self.faces = faces
        self.clients = clients
        self.nonce = nonce
    }

    /// What every canary of the run begins with: enough of the nonce that no other bytes are taken for it.
    public var canaryPrefix: String { "mpc" + nonce.prefix(16) + "-" }
    /// What the payload of every control datagram of the run begins with.
    public var controlPrefix: String { "mpk" + nonce.suffix(16) + "-" }
}
