import MeshController
import MeshModel
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("Receipts follow one another without a gap, a fork or an old one in a new one's place")
struct ReceiptChainTests {
    private typealias Bench = ReceiptBench

    private func codes(_ chain: ReceiptChain) -> [ReceiptProblem.Code] {
        chain.allProblems.map(\.code)
    }

    @Test("all of them, or a row of them, hold")
    func holds() throws {
        let bench = try Bench()
        let all = try bench.issue(5)
        #expect(codes(bench.chain(all)) == [])
        #expect(codes(bench.chain(Array(all[1...3]), isWhole: false)) == [])
    }

    @Test("one or more were taken out of the middle")
    func gap() throws {
        let bench = try Bench()
        let all = try bench.issue(6)
        let chain = bench.chain([all[0], all[1], all[4], all[5]])
        #expect(codes(chain) == [.gap])
        #expect(chain.problems[0].message.contains("receipts 3 to 4 are missing"))
        #expect(chain.problems[0].source == "log:3")
    }

    @Test("the first ones were taken out of a whole log")
    func beginning() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        #expect(codes(bench.chain(Array(all[1...]))) == [.gap])
    }

    @Test("the last ones were taken out of a log whose end is known")
    func end() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        let end = try bench.state.lastReceipt()
        #expect(codes(bench.chain(Array(all[..<2]), end: end)) == [.gap])
        #expect(codes(bench.chain([], end: end)).contains(.gap))
        #expect(codes(bench.chain(all, end: (3, "00"))) == [.fork])
        #expect(codes(bench.chain(all, end: (2, all[1].digest))) == [.fork])
    }

    @Test("two were swapped")
    func reordered() throws {
        let bench = try Bench()
        let all = try bench.issue(4)
        #expect(codes(bench.chain([all[0], all[2], all[1], all[3]])) == [.gap, .order])
    }

    @Test("an old one was put at the end as if it were new, or is there twice")
    func replayed() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        #expect(codes(bench.chain(all + [all[0]])) == [.repeated])
        #expect(codes(bench.chain([all[0], all[0], all[1], all[2]])) == [.repeated])
        #expect(codes(bench.chain([all[1], all[0]], isWhole: false)) == [.order])
        // By itself, an old receipt gives itself away by its age.
        #expect(bench.codes(all[0].envelope, now: Bench.now + 90_000) == [.expired])
    }

    @Test("a copy of the controller went on by itself: the log was forked")
    func forked() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        let key = try SigningKey()
        // The same controller signs a second receipt 2 and a receipt 3 behind it.
        func resigned(_ issued: IssuedReceipt, _ change: (inout ReceiptStatement) -> Void) throws
            -> ReceiptSource
        {
            var statement = try Bench.statement(issued.envelope)
            statement.predicate.controllerKey = key.publicKey
            change(&statement)
            return ReceiptSource(
                name: "fork:\(statement.predicate.sequence)",
                bytes: try Bench.signed(try Wire.encode(statement), by: key))
        }
        func digest(_ source: ReceiptSource) throws -> String {
            try #require(
                ReceiptVerifier.check(source.bytes, source: "", key: key.publicKey, now: Bench.now)
                    .receipt
            ).digest
        }
        func chain(_ sources: [ReceiptSource]) -> [ReceiptProblem.Code] {
            codes(ReceiptChain(sources, key: key.publicKey, now: Bench.now + 1000, isWhole: true))
        }
        let first = try resigned(all[0]) { _ in }
        let second = try resigned(all[1]) { $0.predicate.previous = try? digest(first) }
        let third = try resigned(all[2]) { $0.predicate.previous = try? digest(second) }
        let twin = try resigned(all[1]) {
            $0.predicate.previous = try? digest(first)
            $0.predicate.program = "other"
        }
        #expect(chain([first, second, third]) == [])
        #expect(chain([first, second, twin, third]) == [.fork])
        #expect(chain([first, twin, third]) == [.fork])
        let stranger = try resigned(all[1]) {
            $0.predicate.previous = try? digest(first)
            $0.predicate.meshID = "other"
            $0.predicate.report.meshID = "other"
        }
        #expect(chain([first, stranger]) == [.otherMesh])
    }

    @Test(
        "one in the middle cannot be read: it is named, and nothing is said of a gap it may not be")
    func damaged() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        var sources = all.map { ReceiptSource(name: "\($0.sequence)", bytes: $0.envelope) }
        sources[1] = ReceiptSource(name: "2", bytes: Array(all[1].envelope.dropLast(9)))
        let chain = ReceiptChain(sources, key: bench.key, now: Bench.now + 500, isWhole: true)
        #expect(codes(chain) == [.unreadable] && chain.allProblems[0].source == "2")
    }

    @Test("only the newest is held to its expiry")
    func expiry() throws {
        let bench = try Bench()
        let old = try bench.state.appendReceipt(
            Bench.report, facts: VerifySamples.facts, lifetime: 60, now: Bench.now)
        let new = try bench.state.appendReceipt(
            Bench.report, facts: VerifySamples.facts, lifetime: 3600, now: Bench.now)
        #expect(codes(bench.chain([old, new])) == [])
        let late = ReceiptChain(
            [old, new].map { ReceiptSource(name: "x", bytes: $0.envelope) }, key: bench.key,
            now: Bench.now + 3600, isWhole: true)
        #expect(codes(late) == [.expired])
    }

    @Test("a file is one envelope, however it is written, or one a line")
    func files() throws {
        let bench = try Bench()
        let all = try bench.issue(3)
        let lines = Array(all.map(\.envelope).joined(separator: [0x0a]))
        #expect(ReceiptSource.envelopes(in: lines, name: "f").map(\.name) == ["f:1", "f:2", "f:3"])
        #expect(ReceiptSource.envelopes(in: lines, name: "f").map(\.bytes) == all.map(\.envelope))
        let pretty = try Wire.encode(
            try Wire.decode(ReceiptEnvelope.self, from: all[0].envelope), pretty: true)
        #expect(ReceiptSource.envelopes(in: pretty, name: "f").map(\.name) == ["f"])
        #expect(bench.codes(pretty).isEmpty)
        for junk in ["", "\n\n", "{\n}", "x\ny"] {
            #expect(ReceiptSource.envelopes(in: Array(junk.utf8), name: "f").count == 1)
        }
        // A line that was damaged is still counted as one.
        let cut = all[0].envelope + [0x0a] + all[1].envelope.dropLast(5) + [0x0a] + all[2].envelope
        #expect(ReceiptSource.envelopes(in: cut, name: "f").count == 3)
    }
}
