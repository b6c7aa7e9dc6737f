import MeshController
import MeshModel
import NodeProtocol
import Secrets
import TestSupport
import Testing

/// A controller with a state of its own that makes receipts, and a second one that would like to.
struct ReceiptBench {
    static let now = VerifySamples.now
    let mesh: TestMesh
    let state: ControllerState
    let key: PublicKey

    init() throws {
        mesh = try TestMesh(["edge"])
        state = try mesh.state()
        key = state.identity.controllerKey
    }

    static var report: VerifyReport { VerifySamples.report { Digests.sha256($0) } }

    /// Makes `count` receipts, a minute apart.
    func issue(_ count: Int) throws -> [IssuedReceipt] {
        try (0..<count).map { number in
            try state.appendReceipt(
                Self.report, facts: VerifySamples.facts, now: Self.now + Double(number) * 60)
        }
    }

    func check(_ bytes: [UInt8], now: Double = now + 1000) -> ReceiptCheck {
        ReceiptVerifier.check(bytes, source: "file", key: key, now: now)
    }

    func codes(_ bytes: [UInt8], now: Double = now + 1000) -> [ReceiptProblem.Code] {
        check(bytes, now: now).problems.map(\.code)
    }

    func chain(
        _ receipts: [IssuedReceipt], isWhole: Bool = true,
        end: (sequence: Int, digest: String)? = nil
    ) -> ReceiptChain {
        let sources = receipts.enumerated().map {
            ReceiptSource(name: "log:\($0.offset + 1)", bytes: $0.element.envelope)
        }
        return ReceiptChain(
            sources, key: key, now: Self.now + 1000, isWhole: isWhole, end: end)
    }

    /// The envelope with something changed, signature left as it is.
    static func edited(
        _ bytes: [UInt8], _ change: (inout ReceiptEnvelope) throws -> Void
    ) throws -> [UInt8] {
        var envelope = try Wire.decode(ReceiptEnvelope.self, from: bytes)
        try change(&envelope)
        return try Wire.encode(envelope)
    }

    static func statement(_ bytes: [UInt8]) throws -> ReceiptStatement {
        let envelope = try Wire.decode(ReceiptEnvelope.self, from: bytes)
        return try Wire.decode(
            ReceiptStatement.self, from: try #require(Base64.decode(envelope.payload)))
    }

    /// A payload signed by `key`, whatever it is.
    static func signed(
        _ payload: [UInt8], by key: SigningKey, type: String = ReceiptEnvelope.statementPayload,
        keyid: String? = nil
    ) throws -> [UInt8] {
        let signature = key.sign(ReceiptEnvelope.signedBytes(type: type, payload: payload))
        return try Wire.encode(
            ReceiptEnvelope(
                payload: Base64.encode(payload), payloadType: type,
                signatures: [.init(keyid: keyid, sig: Base64.encode(signature))]))
    }
}
