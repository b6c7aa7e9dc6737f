import MeshController
import MeshModel
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("A receipt that was tampered with is refused, and why is said")
struct ReceiptAttackTests {
    private typealias Bench = ReceiptBench

    /// The payload with one text in the place of another, signature left as it is.
    private func swapped(_ bytes: [UInt8], _ old: String, _ new: String) throws -> [UInt8] {
        try Bench.edited(bytes) { envelope in
            let payload = try #require(Base64.decode(envelope.payload))
            let text = String(decoding: payload, as: UTF8.self)
            let changed = text.replacing(old, with: new)
            #expect(changed != text)
            envelope.payload = Base64.encode(Array(changed.utf8))
        }
    }

    @Test(
        "what it says was changed",
        arguments: [
            ("\"verdict\":\"encrypted\"", "\"verdict\":\"exposed\""),
            ("\"sequence\":1", "\"sequence\":2"), ("2026-03-05T", "2036-03-05T"),
            ("\"level\":\"enforced\"", "\"level\":\"observed\""), ("homelab", "homelad"),
        ])
    func tampered(_ old: String, _ new: String) throws {
        let bench = try Bench()
        let check = bench.check(try swapped(try bench.issue(1)[0].envelope, old, new))
        #expect(check.problems.map(\.code) == [.badSignature])
        #expect(check.receipt == nil)
    }

    @Test("it was cut short, anywhere")
    func truncated() throws {
        let bench = try Bench()
        let bytes = try bench.issue(1)[0].envelope
        for count in stride(from: 0, to: bytes.count, by: 97) {
            #expect(bench.codes(Array(bytes.prefix(count))) == [.unreadable])
        }
        #expect(bench.codes(Array(bytes.dropLast())) == [.unreadable])
        let shorter = try Bench.edited(bytes) { $0.payload.removeLast(4) }
        #expect(bench.codes(shorter) == [.badSignature])
    }

    @Test("another key signed it, whatever key it says it was")
    func otherKey() throws {
        let bench = try Bench()
        let envelope = try Wire.decode(
            ReceiptEnvelope.self, from: try bench.issue(1)[0].envelope)
        let payload = try #require(Base64.decode(envelope.payload))
        let forger = try SigningKey()
        #expect(bench.codes(try Bench.signed(payload, by: forger)) == [.otherKey])
        let lie = try Bench.signed(
            payload, by: forger, keyid: ReceiptEnvelope.keyID(of: bench.key))
        #expect(bench.codes(lie) == [.badSignature])
        // And the forger's own key in the statement helps nobody who holds the right one.
        var statement = try Wire.decode(ReceiptStatement.self, from: payload)
        statement.predicate.controllerKey = forger.publicKey
        let own = try Bench.signed(try Wire.encode(statement), by: forger)
        #expect(bench.codes(own) == [.otherKey])
    }

    @Test("the signature is missing, or is another message's")
    func signature() throws {
        let bench = try Bench()
        let issued = try bench.issue(2)
        let none = try Bench.edited(issued[0].envelope) { $0.signatures = [] }
        #expect(bench.codes(none) == [.unsigned])
        let other = try Wire.decode(ReceiptEnvelope.self, from: issued[1].envelope).signatures
        let moved = try Bench.edited(issued[0].envelope) { $0.signatures = other }
        #expect(bench.codes(moved) == [.badSignature])
        let odd = try Bench.edited(issued[0].envelope) { $0.signatures[0].sig = "?" }
        #expect(bench.codes(odd) == [.badSignature])
        // A second signature, of somebody we do not know, takes nothing away.
        let both = try Bench.edited(issued[0].envelope) {
            $0.signatures.insert(contentsOf: other, at: 0)
        }
        #expect(bench.codes(both).isEmpty)
    }

    @Test("the envelope is about something else")
    func otherType() throws {
        let bench = try Bench()
        let bytes = try bench.issue(1)[0].envelope
        #expect(
            bench.codes(try Bench.edited(bytes) { $0.payloadType = "text/plain" }) == [.payloadType]
        )
        for payload in [
            "{}", "[]", "1", "{\"_type\":\"https://in-toto.io/Statement/v1\"}", "", "{",
        ] {
            let (key, signed) = try selfSigned(Array(payload.utf8))
            let check = ReceiptVerifier.check(signed, source: "file", key: key, now: Bench.now)
            #expect(check.problems.map(\.code) == [.notAReceipt], "\(payload)")
        }
    }

    @Test("the statement is of another kind, however much it looks like ours")
    func otherKind() throws {
        let bench = try Bench()
        let genuine = try Bench.statement(try bench.issue(1)[0].envelope)
        for change in [
            { $0.type = "https://in-toto.io/Statement/v2" },
            { $0.predicateType = "https://slsa.dev/provenance/v1" },
        ] as [(inout ReceiptStatement) -> Void] {
            let key = try SigningKey()
            var statement = genuine
            statement.predicate.controllerKey = key.publicKey
            change(&statement)
            let bytes = try Bench.signed(try Wire.encode(statement), by: key)
            let check = ReceiptVerifier.check(
                bytes, source: "file", key: key.publicKey, now: Bench.now)
            #expect(check.problems.map(\.code) == [.notAReceipt])
        }
    }

    private func selfSigned(_ payload: [UInt8]) throws -> (PublicKey, [UInt8]) {
        let key = try SigningKey()
        return (key.publicKey, try Bench.signed(payload, by: key))
    }

    /// What a controller with a mistake, or one that was taken over by somebody clumsy, might sign.
    @Test(
        "it is signed and contradicts itself",
        arguments: [
            { $0.subject.removeLast() }, { $0.subject.removeFirst() },
            { $0.subject.append($0.subject[0]) },
            { $0.subject[0].digest = ["sha256": String(repeating: "0", count: 64)] },
            { $0.subject[0].digest["sha512"] = "00" },
            { $0.subject.append(.init(name: "facts/db", sha256: "00")) },
            { $0.predicate.report.edges[0].verdict = .exposed },
            { $0.predicate.report.nodes[0].facts = "00" },
            { $0.predicate.report.edges.append($0.predicate.report.edges[0]) },
            { $0.predicate.meshID = "another" }, { $0.predicate.topology = "another" },
            { $0.predicate.report.receipt = 7 }, { $0.predicate.report.receipt = nil },
            { $0.predicate.previous = "00" }, { $0.predicate.sequence = 0 },
            { $0.predicate.expiresAt = $0.predicate.issuedAt },
            { $0.predicate.issuedAt = "yesterday" },
            {
                $0.predicate.report.edges = []
                $0.subject.removeFirst(3)
            },
        ] as [@Sendable (inout ReceiptStatement) -> Void])
    func contradicts(_ change: @Sendable (inout ReceiptStatement) -> Void) throws {
        let bench = try Bench()
        let key = try SigningKey()
        var statement = try Bench.statement(try bench.issue(1)[0].envelope)
        statement.predicate.controllerKey = key.publicKey
        func codes() throws -> Set<ReceiptProblem.Code> {
            let bytes = try Bench.signed(try Wire.encode(statement), by: key)
            return Set(
                ReceiptVerifier.check(
                    bytes, source: "file", key: key.publicKey, now: Bench.now + 1
                ).problems.map(\.code))
        }
        #expect(try codes().isEmpty)
        change(&statement)
        #expect(try codes().contains(.inconsistent))
    }

    @Test("it names another key than the one that signed it")
    func namesOtherKey() throws {
        let bench = try Bench()
        let statement = try Bench.statement(try bench.issue(1)[0].envelope)
        let (key, signed) = try selfSigned(try Wire.encode(statement))
        let check = ReceiptVerifier.check(signed, source: "file", key: key, now: Bench.now)
        #expect(check.problems.map(\.code) == [.inconsistent])
    }

    @Test("a newer version's receipt is called that, and what it added to an edge is no tampering")
    func newer() throws {
        let bench = try Bench()
        let key = try SigningKey()
        var statement = try Bench.statement(try bench.issue(1)[0].envelope)
        statement.predicate.controllerKey = key.publicKey
        statement.predicate.report.format = VerifyReport.currentFormat + 1
        let later = try Bench.signed(try Wire.encode(statement), by: key)
        func codes(_ bytes: [UInt8]) -> [ReceiptProblem.Code] {
            ReceiptVerifier.check(bytes, source: "file", key: key.publicKey, now: Bench.now)
                .problems.map(\.code)
        }
        #expect(codes(later) == [.newerFormat])
        // The same format with a field more, and the digest as that version computes it.
        statement.predicate.report.format = VerifyReport.currentFormat
        let edge = String(
            decoding: try Wire.encode(statement.predicate.report.edges[0]), as: UTF8.self)
        let longer = edge.dropLast() + ",\"zone\":[1,2.5,true,null,\"x\"]}"
        statement.subject[0] = .init(
            name: statement.subject[0].name, sha256: Digests.sha256(Array(longer.utf8)))
        let payload = String(decoding: try Wire.encode(statement), as: UTF8.self)
            .replacing(edge, with: longer)
        #expect(codes(try Bench.signed(Array(payload.utf8), by: key)).isEmpty)
        let wrong = payload.replacing("\"zone\":[1,", with: "\"zone\":[2,")
        #expect(codes(try Bench.signed(Array(wrong.utf8), by: key)) == [.inconsistent])
    }
}
