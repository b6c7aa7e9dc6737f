public import MeshModel
public import Secrets
import StateStore

/// The private key that the controller makes for an unmanaged node.
public struct PeerKey: Sendable {
    /// The secret half.
    public let privateKey: SecretBytes
    /// The half that peers know.
    public let publicKey: PublicKey

    /// Makes a new pair.
    public init() throws(ControllerError) {
        let made = try ControllerState.translate {
            let key = try WireGuardKeys.generate()
            return (key, try WireGuardKeys.publicKey(of: key))
        }
        (privateKey, publicKey) = made
    }

    fileprivate init(_ privateKey: SecretBytes) throws(ControllerError) {
        self.privateKey = privateKey
        publicKey = try ControllerState.translate {
            try WireGuardKeys.publicKey(of: privateKey)
        }
    }
}

extension ControllerState {
    /// Keeps an unmanaged node's private key, sealed, in the place of any former one.
    public func keep(_ key: PeerKey, of node: String) throws(ControllerError) {
        let opened = try writer()
        let store = try storeForWriting()
        try Self.translate {
            let name = Self.secretName(node)
            let sealed = try opened.vault.seal(key.privateKey, name: name)
            try SecretRegistry(store).replace([name: sealed])
        }
    }

    /// The private key that was kept for an unmanaged node, where it belongs to this public key.
    public func keptKey(of node: String, for publicKey: PublicKey) throws(ControllerError)
        -> PeerKey?
    {
        let opened = try writer()
        let store = try storeForWriting()
        let secret = try Self.translate { () -> SecretBytes? in
            let name = Self.secretName(node)
            guard let sealed = try SecretRegistry(store).sealed(name) else { return nil }
            return try opened.vault.open(sealed, name: name)
        }
        guard let secret else { return nil }
        let key = try PeerKey(secret)
        return key.publicKey == publicKey ? key : nil
    }

    /// Forgets the private key that was kept for an unmanaged node; none is fine.
    public func dropKey(of node: String) throws(ControllerError) {
        let store = try storeForWriting()
        try Self.translate { try SecretRegistry(store).remove(Self.secretName(node)) }
    }

    /// Whether a private key is kept for a node.
    public func keepsKey(of node: String) throws(ControllerError) -> Bool {
        guard let store else { return false }
        return try Self.translate {
            try SecretRegistry(store).sealed(Self.secretName(node)) != nil
        }
    }

    private static func secretName(_ node: String) -> String { "peer-key-\(node)" }
}
