import MeshController
import MeshModel
import NodeProtocol
import Secrets
import TestSupport
import Testing

@Suite("No input breaks the checker, and none passes for what was not signed")
struct ReceiptFuzzTests {
    private typealias Bench = ReceiptBench
    /// Each takes about a millisecond in a debug build, so that fewer of them have to do than of a codec's inputs.
    private static let rounds = fuzzRounds(2000) / 16

    /// Changes bytes, cuts, repeats and splices; in the envelope, or in the payload beneath its base64.
    private func mutate(_ corpus: [[UInt8]], _ random: inout SplitMix) -> [UInt8] {
        var bytes = random.pick(corpus)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, at + Int.random(in: 0...24, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.removeSubrange(at..<end)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 3: bytes.replaceSubrange(at..<end, with: random.bytes(3))
            case 4:
                let tokens = ["null", "{", "}", "[]", "\"", "-1", "1e308", "\\u0000", ",", "\n"]
                bytes.insert(contentsOf: random.pick(tokens).utf8, at: at)
            default:
                let other = random.pick(corpus)
                bytes.replaceSubrange(at..., with: other.suffix(bytes.count - at))
            }
        }
        return bytes
    }

    @Test(
        "a mutated envelope is refused, or says exactly what was signed",
        arguments: 0..<4 as Range<UInt64>)
    func envelopes(seed: UInt64) throws {
        let bench = try Bench()
        let issued = try bench.issue(3)
        let digests = Set(issued.map(\.digest))
        var random = SplitMix(seed)
        var refused = 0
        for _ in 0..<Self.rounds {
            let bytes = mutate(issued.map(\.envelope), &random)
            let check = bench.check(bytes)
            if let receipt = check.receipt {
                #expect(digests.contains(receipt.digest))
            } else {
                #expect(!check.problems.isEmpty)
                refused += 1
            }
        }
        #expect(refused > Self.rounds / 2)
    }

    @Test(
        "a mutated payload under the old signature never holds", arguments: 4..<8 as Range<UInt64>)
    func payloads(seed: UInt64) throws {
        let bench = try Bench()
        let issued = try bench.issue(2)
        let payloads = try issued.map { issued in
            let envelope = try Wire.decode(ReceiptEnvelope.self, from: issued.envelope)
            return try #require(Base64.decode(envelope.payload))
        }
        var random = SplitMix(seed)
        for _ in 0..<Self.rounds / 2 {
            let payload = mutate(payloads, &random)
            let bytes = try Bench.edited(issued[0].envelope) { $0.payload = Base64.encode(payload) }
            let holds = bench.check(bytes).receipt != nil
            #expect(holds == (payload == payloads[0]))
        }
    }

    @Test("a mutated log never passes for a whole one", arguments: 8..<12 as Range<UInt64>)
    func logs(seed: UInt64) throws {
        let bench = try Bench()
        let issued = try bench.issue(4)
        let end = try bench.state.lastReceipt()
        let lines = Array(issued.map(\.envelope).joined(separator: [0x0a]))
        var random = SplitMix(seed)
        for _ in 0..<Self.rounds / 8 {
            let sources = ReceiptSource.envelopes(in: mutate([lines], &random), name: "log")
            let chain = ReceiptChain(
                sources, key: bench.key, now: Bench.now + 600, isWhole: true, end: end)
            if chain.allProblems.isEmpty {
                #expect(chain.checks.map(\.receipt?.digest) == issued.map(\.digest))
            }
        }
    }

    /// Whoever signs nonsense gets an answer, not a crash.
    @Test("signed nonsense is refused, or read", arguments: 12..<16 as Range<UInt64>)
    func signedNonsense(seed: UInt64) throws {
        let bench = try Bench()
        let key = try SigningKey()
        let envelope = try Wire.decode(ReceiptEnvelope.self, from: try bench.issue(1)[0].envelope)
        let payload = try #require(Base64.decode(envelope.payload))
        var random = SplitMix(seed)
        for _ in 0..<Self.rounds / 2 {
            let bytes = try Bench.signed(mutate([payload], &random), by: key)
            let check = ReceiptVerifier.check(
                bytes, source: "file", key: key.publicKey, now: Bench.now)
            // The payload names the bench's key and not this one, so that nothing is ever all right.
            #expect(!check.problems.isEmpty)
        }
    }
}
