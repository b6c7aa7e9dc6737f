package import MeshModel
package import NodeProtocol
import Secrets

/// Decides whether what came as a node's facts is taken: signed by that node's key, and of this run.
package struct FactAcceptance: Sendable {
    /// The public halves of every node's SSH host keys, of each set that is known.
    private let hostKeys: [String: [PublicKey]]

    /// Takes what is signed by one of these keys, by node.
    package init(hostKeys: [String: [PublicKey]]) { self.hostKeys = hostKeys }

    /// Facts that were taken, with the exact bytes that were signed.
    package struct Accepted: Sendable {
        /// What the node observed.
        package let facts: NodeFacts
        /// What it signed.
        package let payload: [UInt8]
    }

    /// The facts inside, or why they are not taken.
    package func open(
        _ signed: SignedFacts, _ admission: FactAdmission
    ) -> Result<Accepted, FactRefusal> {
        guard let payload = Base64.decode(signed.payload),
            let signature = Base64.decode(signed.signature)
        else { return .failure(FactRefusal("they or their signature are not base64")) }
        let message = SignedFacts.context + payload
        let keys = hostKeys[admission.node] ?? []
        guard keys.contains(where: { Signatures.verify(signature, of: message, by: $0) }) else {
            return .failure(
                FactRefusal(
                    keys.isEmpty
                        ? "no key of \(admission.node) is known to check them with"
                        : "they are not signed by the key of \(admission.node)"))
        }
        do throws(ProtocolError) {
            let facts = try Wire.decode(NodeFacts.self, from: payload)
            if let missing = admission.refusal(of: facts) { return .failure(FactRefusal(missing)) }
            return .success(Accepted(facts: facts, payload: payload))
        } catch { return .failure(FactRefusal(error.message)) }
    }
}

/// Why facts were not taken.
package struct FactRefusal: Error, Sendable, Equatable {
    /// As the judge takes it.
    package let missing: MissingFacts

    init(_ missing: MissingFacts) { self.missing = missing }

    init(_ reason: String) {
        missing = MissingFacts(
            wereRefused: true, message: "its facts were refused: \(reason)",
            fix: "meshproof up, which learns a node's keys; and find out who answered")
    }
}
