public import MeshModel
import NodeProtocol
import Secrets

/// What a receipt states. *Source:* in-toto attestation framework, Statement version 1.
public struct ReceiptStatement: Codable, Sendable, Equatable {
    /// The kind of statement, always ``statementType``.
    public var type: String
    /// What it is about: every edge's verdict and every node's facts, each by its digest.
    public var subject: [Subject]
    /// The kind of predicate, always ``predicateType-swift.type.property``.
    public var predicateType: String
    /// What is said.
    public var predicate: Predicate

    private enum CodingKeys: String, CodingKey {
        case type = "_type"
        case subject, predicateType, predicate
    }

    /// One thing that the statement is about.
    public struct Subject: Codable, Sendable, Equatable, Hashable {
        /// An edge's id, or `facts/NODE`.
        public var name: String
        /// `sha256` and the digest in hexadecimal.
        public var digest: [String: String]

        /// Names a thing by its SHA-256.
        public init(name: String, sha256: String) {
            self.name = name
            digest = ["sha256": sha256]
        }
    }

    /// What a receipt says.
    public struct Predicate: Codable, Sendable, Equatable {
        /// Its number in the log, from 1.
        public var sequence: Int
        /// The digest of the receipt before, or nil for the first.
        public var previous: String?
        /// When it was made, in UTC: `2026-03-04T12:00:00Z`.
        public var issuedAt: String
        /// Until when it says anything of the present, likewise.
        public var expiresAt: String
        /// The mesh's identity.
        public var meshID: String
        /// The key that signs, in base64.
        public var controllerKey: PublicKey
        /// SHA-256 of the topology that was verified, in hexadecimal.
        public var topology: String
        /// The version of the program that made it.
        public var program: String
        /// What was found.
        public var report: VerifyReport

        /// Gathers the parts.
        public init(
            sequence: Int, previous: String?, issuedAt: String, expiresAt: String, meshID: String,
            controllerKey: PublicKey, topology: String, program: String, report: VerifyReport
        ) {
            self.sequence = sequence
            self.previous = previous
            self.issuedAt = issuedAt
            self.expiresAt = expiresAt
            self.meshID = meshID
            self.controllerKey = controllerKey
            self.topology = topology
            self.program = program
            self.report = report
        }
    }

    /// The kind of statement.
    public static let statementType = "https://in-toto.io/Statement/v1"
    /// The kind of predicate. A name and no address: nothing is to be fetched there.
    public static let predicateType = "urn:x-meshproof:receipt:v1"

    /// States `predicate`, about `subject`.
    public init(subject: [Subject], predicate: Predicate) {
        type = Self.statementType
        self.subject = subject
        predicateType = Self.predicateType
        self.predicate = predicate
    }

    /// What a report is about: each edge's verdict by the digest of its JSON (sorted keys, no spaces), then each node's
    /// facts by the digest that the report has of them.
    ///
    /// *Throws:* ``ProtocolError`` where a verdict cannot be written as JSON.
    static func subjects(of report: VerifyReport) throws(ProtocolError) -> [Subject] {
        var subjects: [Subject] = []
        for edge in report.edges {
            let digest = Digests.sha256(try Wire.encode(edge))
            subjects.append(Subject(name: edge.id, sha256: digest))
        }
        return subjects + factSubjects(of: report)
    }

    /// As ``subjects(of:)``, for a statement as it was signed: what a later version added to a verdict counts as well.
    static func subjects(
        of report: VerifyReport, signed statement: JSONValue
    ) throws(ProtocolError) -> [Subject] {
        var subjects: [Subject] = []
        for edge in statement["predicate"]?["report"]?["edges"]?.elements ?? [] {
            let digest = Digests.sha256(try Wire.encode(edge))
            subjects.append(Subject(name: edge["id"]?.string ?? "", sha256: digest))
        }
        return subjects + factSubjects(of: report)
    }

    private static func factSubjects(of report: VerifyReport) -> [Subject] {
        report.nodes.compactMap { node in
            node.facts.map { Subject(name: "facts/\(node.node)", sha256: $0) }
        }
    }
}
