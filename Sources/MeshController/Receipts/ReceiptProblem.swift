/// Why a receipt, or a row of receipts, is not to be believed.
public struct ReceiptProblem: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons.
    public enum Code: String, Codable, Sendable, Hashable, CaseIterable {
        /// It is no envelope, or cut short.
        case unreadable
        /// The envelope is about something else.
        case payloadType = "payload-type"
        /// Nobody signed it.
        case unsigned
        /// Another key signed it.
        case otherKey = "other-key"
        /// It was changed after it was signed.
        case badSignature = "bad-signature"
        /// It is signed, and is no receipt.
        case notAReceipt = "not-a-receipt"
        /// A newer version made it.
        case newerFormat = "newer-format"
        /// It contradicts itself.
        case inconsistent
        /// It was made in the future.
        case notYetValid = "not-yet-valid"
        /// It is too old to say anything of the present.
        case expired
        /// It is about another topology than the one that was named.
        case otherTopology = "other-topology"
        /// It is another mesh's.
        case otherMesh = "other-mesh"
        /// Receipts are missing.
        case gap
        /// Receipts are not in their order.
        case order
        /// The same receipt is there twice.
        case repeated
        /// There are two receipts of one number, or one that does not follow the one before it.
        case fork
    }

    /// Which reason.
    public var code: Code
    /// Where it came from: a file, a line of one, or a number in the log.
    public var source: String
    /// What is wrong.
    public var message: String
    /// What to do about it.
    public var fix: String

    /// Gathers the parts.
    public init(_ code: Code, _ source: String, _ message: String, fix: String) {
        self.code = code
        self.source = source
        self.message = message
        self.fix = fix
    }

    /// `source: what is wrong; fix: what to do`.
    public var description: String { "\(source): \(message); fix: \(fix)" }
}
