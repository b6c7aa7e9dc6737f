public import MeshModel

/// What the controller asks of `meshproof node witness` during one run of `verify`, in this order.
public enum WitnessRequest: Codable, Sendable, Equatable {
    /// Who and where the node is: what others need to know to tell its traffic. Answered by `looked`.
    case look(meshID: String, node: String, nonce: String)
    /// Begin to watch. Answered by `began`.
    case begin(WitnessOrder)
    /// Send the control datagrams, and put these probes, all at once. Every node watches by now. Answered by `probed`.
    case probe([ProbeOrder])
    /// Stop watching, after everything that is still on its way has come, and tell. Answered by `facts`.
    case finish
}

/// What the witness answers.
public enum WitnessResponse: Codable, Sendable, Equatable {
    /// Answer to `look`.
    case looked(NodeLook)
    /// Answer to `begin`.
    case began
    /// Answer to `probe`: how many were put.
    case probed(Int)
    /// Answer to `finish`.
    case facts(SignedFacts)
    /// No, and why.
    case refused(ProtocolError)
}

/// Who and where a node is.
public struct NodeLook: Codable, Sendable, Equatable {
    /// The protocol's version.
    public var version: Int
    /// The kernel's boot id; facts of another boot are not taken.
    public var bootID: String
    /// How the node shows on the wire.
    public var face: HostFace
    /// Our interfaces now, for the WireGuard peers' endpoints.
    public var interfaces: [ObservedInterface]
    /// Users that run a client, by the TCP or UDP port of the service that they are connected to.
    public var clients: [UInt16: UInt32]

    /// Gathers the parts.
    public init(
        version: Int, bootID: String, face: HostFace, interfaces: [ObservedInterface],
        clients: [UInt16: UInt32]
    ) {
        self.version = version
        self.bootID = bootID
        self.face = face
        self.interfaces = interfaces
        self.clients = clients
    }
}

/// Facts as they travel and are kept: the exact bytes that were signed, and the signature.
///
/// The node signs with its tunnel server's host key (Ed25519), whose public half the controller knows since bootstrap:
/// so an answer from another machine is not taken for this one's.
public struct SignedFacts: Codable, Sendable, Equatable {
    /// JSON of ``NodeFacts``, in base64.
    public var payload: String
    /// Ed25519 over ``context`` and the payload's bytes, in base64.
    public var signature: String

    /// Goes before the payload when it is signed, so that no other signature of the key can stand in.
    public static let context = Array("meshproof node facts v1\0".utf8)

    /// Gathers the parts.
    public init(payload: String, signature: String) {
        self.payload = payload
        self.signature = signature
    }
}
