import MeshModel
import NodeProtocol
import Secrets

/// Decides whether what came as a node's facts is taken: signed by that node, and of this run.
struct FactAcceptance: Sendable {
    /// Facts that were taken, with the exact bytes that were signed.
    struct Accepted: Sendable {
        let facts: NodeFacts
        let payload: [UInt8]
    }

    /// The run's nonce.
    let nonce: String
    /// The mesh's identity.
    let meshID: String
    /// The public halves of every node's SSH host keys, of each set that is known.
    let hostKeys: [String: [PublicKey]]

    /// The facts inside, or why they are not taken.
    func open(_ signed: SignedFacts, of node: String) -> Result<Accepted, FactRefusal> {
        guard let payload = Base64.decode(signed.payload),
            let signature = Base64.decode(signed.signature)
        else { return .failure(FactRefusal("they or their signature are not base64")) }
        let message = SignedFacts.context + payload
        let keys = hostKeys[node] ?? []
        guard keys.contains(where: { Signatures.verify(signature, of: message, by: $0) }) else {
            return .failure(
                FactRefusal(
                    keys.isEmpty
                        ? "no key of this node is known to check them with"
                        : "they are not signed by this node's key"))
        }
        do throws(ProtocolError) {
            let facts = try Wire.decode(NodeFacts.self, from: payload)
            return .success(Accepted(facts: facts, payload: payload))
        } catch { return .failure(FactRefusal(error.message)) }
    }
}

/// Why facts were not taken.
struct FactRefusal: Error, Sendable, Equatable {
    /// For people: goes on from "the facts were refused: ".
    let message: String

    init(_ message: String) { self.message = message }
}
