/// The controller's new signing key, vouched for by the one before it and by itself.
///
/// *Shape:* ``signedBytes`` is what both keys sign.
public struct KeySuccession: Codable, Sendable, Equatable {
    /// The mesh's identity: a succession of another mesh is worth nothing here.
    public var meshID: String
    /// Grows with every change of the key, from 1.
    public var sequence: UInt64
    /// The key that signed until now.
    public var oldKey: PublicKey
    /// The key that signs from now on.
    public var newKey: PublicKey
    /// The number of the last receipt that the old key signed; 0 for none.
    public var lastReceipt: Int
    /// The old key's signature, in base64.
    public var oldSignature: String
    /// The new key's signature, which shows that somebody has it, in base64.
    public var newSignature: String

    /// Gathers the parts.
    public init(
        meshID: String, sequence: UInt64, oldKey: PublicKey, newKey: PublicKey, lastReceipt: Int,
        oldSignature: String = "", newSignature: String = ""
    ) {
        self.meshID = meshID
        self.sequence = sequence
        self.oldKey = oldKey
        self.newKey = newKey
        self.lastReceipt = lastReceipt
        self.oldSignature = oldSignature
        self.newSignature = newSignature
    }

    /// A line each of: what it is, the mesh, the sequence, both keys in base64, the last receipt. ASCII.
    ///
    /// The first line keeps any other signature of the key from standing in.
    public var signedBytes: [UInt8] {
        let lines = [
            "meshproof controller key v1", meshID, "\(sequence)", oldKey.description,
            newKey.description, "\(lastReceipt)",
        ]
        return Array(lines.map { $0 + "\n" }.joined().utf8)
    }
}
