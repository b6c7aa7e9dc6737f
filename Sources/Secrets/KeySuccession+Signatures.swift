public import MeshModel

/// Why a chain of key successions is not followed.
public enum SuccessionRefusal: String, Error, Sendable {
    /// It is another mesh's.
    case otherMesh
    /// A signature in it does not hold.
    case forged
    /// It leads from the key that is pinned, and is not newer than what was followed already.
    case stale
    /// It does not begin at the key that is pinned, or has more links than anybody has reason to make.
    case foreign
}

extension KeySuccession {
    /// More changes of the key than a mesh sees.
    private static let most = 1_000

    /// The succession from one key to another, signed by both.
    public static func make(
        meshID: String, sequence: UInt64, lastReceipt: Int, from old: SigningKey, to new: SigningKey
    ) -> KeySuccession {
        var made = KeySuccession(
            meshID: meshID, sequence: sequence, oldKey: old.publicKey, newKey: new.publicKey,
            lastReceipt: lastReceipt)
        made.oldSignature = Base64.encode(old.sign(made.signedBytes))
        made.newSignature = Base64.encode(new.sign(made.signedBytes))
        return made
    }

    /// Whether both signatures hold.
    public var isSigned: Bool {
        guard let old = Base64.decode(oldSignature), let new = Base64.decode(newSignature),
            !meshID.contains("\n"), newKey != .zero, newKey != oldKey
        else { return false }
        return Signatures.verify(old, of: signedBytes, by: oldKey)
            && Signatures.verify(new, of: signedBytes, by: newKey)
    }

    /// The links of a chain that lead on from the key that is pinned; none where it is the chain's end already. Pure.
    ///
    /// - Parameters:
    ///   - key: the key that is pinned.
    ///   - sequence: of the last link that was followed; 0 for none.
    public static func follow(
        _ chain: [KeySuccession], from key: PublicKey, after sequence: UInt64, meshID: String
    ) throws(SuccessionRefusal) -> [KeySuccession] {
        guard let end = chain.last, chain.count <= most else { throw .foreign }
        var (key, sequence) = (key, sequence)
        let (pinned, followed) = (key, sequence)
        var links: [KeySuccession] = []
        for link in chain {
            guard link.meshID == meshID else { throw .otherMesh }
            guard link.isSigned else { throw .forged }
            guard link.oldKey == key, link.sequence > sequence else { continue }
            (key, sequence) = (link.newKey, link.sequence)
            links.append(link)
        }
        if !links.isEmpty { return links }
        if end.newKey == pinned && (followed == 0 || end.sequence == followed) { return [] }
        throw chain.contains { $0.oldKey == pinned } ? .stale : .foreign
    }
}
