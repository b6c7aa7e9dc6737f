public import MeshModel
import NodeProtocol
import Secrets

/// What came of checking one receipt.
public struct ReceiptCheck: Sendable, Equatable {
    /// Where it came from.
    public let source: String
    /// The receipt; nil where its signature does not hold or it cannot be read: what is not signed is not shown.
    public let receipt: Receipt?
    /// What is wrong with it; empty where it is to be believed.
    public let problems: [ReceiptProblem]
}

/// Checks receipts with nothing but the controller's public key. Pure.
public enum ReceiptVerifier {
    /// How far the clocks of controller and checker may differ. *Units:* seconds.
    static let tolerance = 300.0
    /// More signatures than anybody has reason to put on a receipt.
    private static let mostSignatures = 16

    /// Checks one envelope: who signed it, what it is, whether it agrees with itself, and whether it is still valid.
    public static func check(
        _ bytes: [UInt8], source: String, key: PublicKey, now: Double
    ) -> ReceiptCheck {
        check(bytes, source: source, keys: ReceiptKeys(key), now: now)
    }

    /// The same, where the controller has changed its key: each key is believed for its own numbers.
    public static func check(
        _ bytes: [UInt8], source: String, keys: ReceiptKeys, now: Double
    ) -> ReceiptCheck {
        do throws(ReceiptProblem) {
            let (payload, key) = try signedPayload(bytes, source, keys)
            let (receipt, statement) = try read(payload, source)
            let spans = keys.spans.filter { $0.key == key }
            if !spans.contains(where: { $0.numbers.contains(receipt.sequence) }) {
                throw ReceiptProblem(
                    .otherKey, source,
                    "receipt \(receipt.sequence) is signed by a key that was not in use at that number",
                    fix: "do not believe it; find out who holds the controller's former key")
            }
            return ReceiptCheck(
                source: source, receipt: receipt,
                problems: contradictions(receipt, statement, source, key)
                    + untimely(receipt, source, now))
        } catch {
            return ReceiptCheck(source: source, receipt: nil, problems: [error])
        }
    }

    // MARK: The signature

    private static func signedPayload(
        _ bytes: [UInt8], _ source: String, _ keys: ReceiptKeys
    ) throws(ReceiptProblem) -> ([UInt8], PublicKey) {
        let again = "get it again from where it was made: meshproof receipt show NUMBER --json"
        let envelope: ReceiptEnvelope
        do { envelope = try Wire.decode(ReceiptEnvelope.self, from: bytes) } catch {
            throw ReceiptProblem(
                .unreadable, source, "is no receipt, or one that was cut short or damaged",
                fix: again)
        }
        if envelope.payloadType != ReceiptEnvelope.statementPayload {
            throw ReceiptProblem(
                .payloadType, source, "is an envelope about something else than a receipt",
                fix: again)
        }
        guard let payload = Base64.decode(envelope.payload) else {
            throw ReceiptProblem(
                .unreadable, source, "has a payload that is no base64: it was damaged", fix: again)
        }
        if envelope.signatures.isEmpty {
            throw ReceiptProblem(
                .unsigned, source, "has no signature: anybody may have written it", fix: again)
        }
        let signed = ReceiptEnvelope.signedBytes(type: envelope.payloadType, payload: payload)
        let signatures = envelope.signatures.prefix(mostSignatures)
        let decoded = signatures.compactMap { Base64.decode($0.sig) }
        for span in keys.spans
        where decoded.contains(where: { Signatures.verify($0, of: signed, by: span.key) }) {
            return (payload, span.key)
        }
        let all = Set(keys.spans.map { ReceiptEnvelope.keyID(of: $0.key) })
        let ours = ReceiptEnvelope.keyID(of: keys.newest)
        if signatures.contains(where: { $0.keyid.map(all.contains) ?? false }) {
            throw ReceiptProblem(
                .badSignature, source, "was changed after it was signed",
                fix: "do not believe it; \(again)")
        }
        throw ReceiptProblem(
            .otherKey, source, "is not signed by the key \(ours.prefix(16))…",
            fix:
                "compare the key with `meshproof receipt key` on the controller; if it is right, do not believe the receipt"
        )
    }

    // MARK: What is signed

    private static func read(
        _ payload: [UInt8], _ source: String
    ) throws(ReceiptProblem) -> (Receipt, JSONValue) {
        let newer = "check it with the version of meshproof that made it, or a newer one"
        let notAReceipt = ReceiptProblem(
            .notAReceipt, source, "is signed, and is no receipt of meshproof",
            fix: "name a file that `meshproof receipt show NUMBER --json` printed")
        guard let json = try? Wire.decode(JSONValue.self, from: payload),
            json["_type"]?.string == ReceiptStatement.statementType,
            let type = json["predicateType"]?.string
        else { throw notAReceipt }
        if type != ReceiptStatement.predicateType { throw notAReceipt }
        if case .integer(let format)? = json["predicate"]?["report"]?["format"],
            format > VerifyReport.currentFormat
        {
            throw ReceiptProblem(
                .newerFormat, source, "was made by a newer meshproof (format \(format))", fix: newer
            )
        }
        let statement: ReceiptStatement
        do { statement = try Wire.decode(ReceiptStatement.self, from: payload) } catch {
            throw ReceiptProblem(
                .newerFormat, source,
                "is signed, and this version cannot read it: \(error.message)",
                fix: newer)
        }
        guard let issuedAt = Timestamp.parse(statement.predicate.issuedAt),
            let expiresAt = Timestamp.parse(statement.predicate.expiresAt)
        else {
            throw ReceiptProblem(
                .inconsistent, source, "has no times that can be read",
                fix: "do not believe it; verify again")
        }
        let receipt = Receipt(
            statement: statement, digest: Digests.sha256(payload), issuedAt: issuedAt,
            expiresAt: expiresAt)
        return (receipt, json)
    }

    /// Where what is said in one place is not what is said in another.
    private static func contradictions(
        _ receipt: Receipt, _ json: JSONValue, _ source: String, _ key: PublicKey
    ) -> [ReceiptProblem] {
        let predicate = receipt.statement.predicate
        let report = predicate.report
        var messages: [String] = []
        messages += differences(
            of: receipt.statement.subject,
            from: (try? ReceiptStatement.subjects(of: report, signed: json)) ?? [])
        if report.edges.isEmpty { messages.append("is about no edge") }
        if predicate.controllerKey != key { messages.append("names another key than signed it") }
        if predicate.meshID != report.meshID { messages.append("names two meshes") }
        if predicate.topology != report.topology.digest { messages.append("names two topologies") }
        if report.receipt != predicate.sequence { messages.append("has two numbers") }
        if predicate.sequence < 1 { messages.append("has a number below 1") }
        if (predicate.previous == nil) != (predicate.sequence <= 1) {
            messages.append("does not say which receipt it follows, or follows one as the first")
        }
        if receipt.expiresAt <= receipt.issuedAt { messages.append("ends before it begins") }
        return messages.map {
            ReceiptProblem(
                .inconsistent, source, "receipt \(predicate.sequence) \($0)",
                fix: "do not believe it; verify again")
        }
    }

    private static func differences(
        of named: [ReceiptStatement.Subject], from found: [ReceiptStatement.Subject]
    ) -> [String] {
        var messages: [String] = []
        if Set(named.map(\.name)).count != named.count { messages.append("names a subject twice") }
        if Set(found.map(\.name)).count != found.count { messages.append("reports an edge twice") }
        for subject in found {
            guard let other = named.first(where: { $0.name == subject.name }) else {
                messages.append("reports on \(subject.name), which its subjects do not name")
                continue
            }
            if other != subject {
                messages.append("has another \(subject.name) than the one whose digest it names")
            }
        }
        for subject in named where !found.contains(where: { $0.name == subject.name }) {
            messages.append("names \(subject.name) and does not report on it")
        }
        return messages
    }

    private static func untimely(
        _ receipt: Receipt, _ source: String, _ now: Double
    ) -> [ReceiptProblem] {
        if receipt.issuedAt > now + tolerance {
            return [
                ReceiptProblem(
                    .notYetValid, source,
                    "receipt \(receipt.sequence) was made in the future, at \(Timestamp.words(receipt.issuedAt))",
                    fix: "set the clocks of this machine and of the controller right")
            ]
        }
        if receipt.expiresAt <= now {
            return [
                ReceiptProblem(
                    .expired, source,
                    "receipt \(receipt.sequence) expired at \(Timestamp.words(receipt.expiresAt)); it says nothing of the present",
                    fix: "run `meshproof verify` for a new one")
            ]
        }
        return []
    }
}
