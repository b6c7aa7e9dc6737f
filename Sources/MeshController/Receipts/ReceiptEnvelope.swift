public import MeshModel
import NodeProtocol
import Secrets

/// A signed payload as it is kept and handed on: a DSSE envelope.
///
/// *Source:* Dead Simple Signing Envelope, version 1.0.2, protocol and envelope.
public struct ReceiptEnvelope: Codable, Sendable, Equatable {
    /// The signed bytes, in base64.
    public var payload: String
    /// What the bytes are; signed with them.
    public var payloadType: String
    /// One signature or more.
    public var signatures: [Signature]

    /// One signature.
    public struct Signature: Codable, Sendable, Equatable {
        /// Which key is said to have made it: a hint, never trusted.
        public var keyid: String?
        /// Ed25519 over ``ReceiptEnvelope/signedBytes(type:payload:)``, in base64.
        public var sig: String

        /// Pairs a key's name with a signature.
        public init(keyid: String?, sig: String) {
            self.keyid = keyid
            self.sig = sig
        }
    }

    /// The payload type of in-toto statements.
    public static let statementPayload = "application/vnd.in-toto+json"

    /// Gathers the parts.
    public init(payload: String, payloadType: String, signatures: [Signature]) {
        self.payload = payload
        self.payloadType = payloadType
        self.signatures = signatures
    }

    /// What is signed: type and payload with their lengths, so that neither can be taken for a part of the other.
    ///
    /// *Shape:* `DSSEv1 LENGTH TYPE LENGTH PAYLOAD`, lengths as decimal numbers of bytes.
    public static func signedBytes(type: String, payload: [UInt8]) -> [UInt8] {
        Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }

    /// What a public key is called in `keyid`: SHA-256 of its 32 bytes, in hexadecimal.
    public static func keyID(of key: PublicKey) -> String { Digests.sha256(key.bytes) }

    /// Signs a payload.
    static func sign(_ payload: [UInt8], type: String, with key: SigningKey) -> ReceiptEnvelope {
        let signature = key.sign(signedBytes(type: type, payload: payload))
        return ReceiptEnvelope(
            payload: Base64.encode(payload), payloadType: type,
            signatures: [
                Signature(keyid: keyID(of: key.publicKey), sig: Base64.encode(signature))
            ])
    }
}
