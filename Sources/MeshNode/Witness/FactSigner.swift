import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets

/// Signs a node's facts with the key that its tunnel server is known by, the newest that there is.
///
/// The controller has known its public half since bootstrap, so nothing else has to be made or trusted.
struct FactSigner {
    private let key: SigningKey

    init(_ folders: NodeFolders) throws(NodeError) {
        for generation in (0...9).reversed() {
            do throws(SecretsError) {
                if let key = try OpenSSHKeyFile.signingKey(folders.hostKey(generation: generation))
                {
                    self.key = key
                    return
                }
            } catch { throw NodeError("read SSH host key", error) }
        }
        throw NodeError(
            .damaged, "sign facts", folders.keys, "this node has no SSH host key",
            hint: "run `meshproof up`, which has the node make one")
    }

    func sign(_ facts: NodeFacts) throws(ProtocolError) -> SignedFacts {
        let payload = try Wire.encode(facts)
        return SignedFacts(
            payload: Base64.encode(payload),
            signature: Base64.encode(key.sign(SignedFacts.context + payload)))
    }
}
