public import MeshModel
import NodeProtocol
package import Secrets

/// A receipt whose signature holds.
public struct Receipt: Sendable, Equatable {
    /// What it states.
    public let statement: ReceiptStatement
    /// SHA-256 of the signed payload, in hexadecimal: what the next receipt calls it by. Does not change with the way in
    /// which the envelope is written.
    public let digest: String
    /// When it was made. *Units:* seconds since 1970.
    public let issuedAt: Double
    /// Until when it says anything of the present. *Units:* seconds since 1970.
    public let expiresAt: Double

    /// How long a receipt says anything of the present, unless told otherwise. *Units:* seconds.
    public static let standardLifetime = 86_400.0
    /// How long it may. *Units:* seconds.
    public static let lifetimes = 60.0...31_622_400.0

    /// What was found.
    public var report: VerifyReport { statement.predicate.report }
    /// Its number in the log.
    public var sequence: Int { statement.predicate.sequence }

    /// Makes the receipt that follows the one of number `sequence - 1` and digest `previous`.
    ///
    /// *Throws:* ``ControllerError`` `usage` where the report is about nothing, names an edge twice, or has other digests
    /// of facts than `facts` do; those are mistakes of the caller.
    package static func make(
        _ report: VerifyReport, facts: [String: [UInt8]], sequence: Int, previous: String?,
        lifetime: Double, now: Double, key: SigningKey
    ) throws(ControllerError) -> IssuedReceipt {
        var report = report
        report.receipt = sequence
        try check(report, facts, lifetime: lifetime)
        let issuedAt = Timestamp.text(now)
        let expiresAt = Timestamp.text(now + lifetime)
        do {
            let statement = ReceiptStatement(
                subject: try ReceiptStatement.subjects(of: report),
                predicate: ReceiptStatement.Predicate(
                    sequence: sequence, previous: previous, issuedAt: issuedAt,
                    expiresAt: expiresAt, meshID: report.meshID, controllerKey: key.publicKey,
                    topology: report.topology.digest, program: ProgramVersion.current,
                    report: report))
            let payload = try Wire.encode(statement)
            let envelope = ReceiptEnvelope.sign(
                payload, type: ReceiptEnvelope.statementPayload, with: key)
            return IssuedReceipt(
                sequence: sequence, digest: Digests.sha256(payload),
                expiresAt: Timestamp.parse(expiresAt) ?? now,
                envelope: try Wire.encode(envelope), report: report)
        } catch { throw ControllerError(.state, "cannot write a receipt: \(error.message)") }
    }

    private static func check(
        _ report: VerifyReport, _ facts: [String: [UInt8]], lifetime: Double
    ) throws(ControllerError) {
        func refuse(_ message: String) -> ControllerError {
            ControllerError(.usage, "no receipt: \(message)")
        }
        if !lifetimes.contains(lifetime) {
            throw refuse("a lifetime of \(lifetime) s is not within \(lifetimes) s")
        }
        if report.edges.isEmpty { throw refuse("no edge was verified") }
        if Set(report.edges.map(\.id)).count != report.edges.count {
            throw refuse("an edge is in the report twice")
        }
        if Set(report.nodes.map(\.node)).count != report.nodes.count {
            throw refuse("a node is in the report twice")
        }
        var told: [String: String] = [:]
        for node in report.nodes { told[node.node] = node.facts }
        let had = facts.mapValues { Digests.sha256($0) }
        for node in Set(told.keys).union(had.keys).sorted() where told[node] != had[node] {
            throw refuse("the report's digest of \(node)'s facts is not that of the facts")
        }
    }
}

/// A receipt that was just made and is in the log.
public struct IssuedReceipt: Sendable, Equatable {
    /// Its number in the log, from 1.
    public let sequence: Int
    /// SHA-256 of the signed payload, in hexadecimal.
    public let digest: String
    /// Until when it says anything of the present. *Units:* seconds since 1970.
    public let expiresAt: Double
    /// The envelope's JSON.
    public let envelope: [UInt8]
    /// The report with the receipt's number in it.
    public let report: VerifyReport
}
