import Glibc
import NodeProtocol
import TestSupport
import Testing

private let fuzzCount = fuzzRounds(3000)

@Suite("No input breaks the decoder")
struct FuzzTests {
    /// Whatever is still a message after a mutation must be one that we could have sent.
    @Test("A mutated message is refused, or is a message", arguments: 0..<4 as Range<UInt64>)
    func messages(seed: UInt64) throws {
        var mutator = Mutator(seed: seed)
        let requests = try Samples.requests.map { try Wire.encode($0) }
        let responses = try Samples.responses.map { try Wire.encode($0) }
        let corpus = requests + responses
        for _ in 0..<fuzzCount / 4 {
            let input = mutator.mutate(corpus)
            try survives(Request.self, input)
            try survives(Response.self, input)
        }
    }

    @Test(
        "A mutated stream ends in an error or in frames, never in more bytes than came",
        arguments: 0..<4 as Range<UInt64>)
    func streams(seed: UInt64) throws {
        var mutator = Mutator(seed: seed &+ 100)
        let frames = try Samples.requests.map { try FrameReader.frame(Wire.encode($0)) }
        for _ in 0..<fuzzCount / 4 {
            let stream = mutator.mutate([
                frames.shuffled(using: &mutator.random).prefix(3).flatMap { $0 }
            ])
            var reader = FrameReader()
            var taken = 0
            var rest = stream[...]
            do throws(ProtocolError) {
                while !rest.isEmpty {
                    let count = Int.random(in: 1...256, using: &mutator.random)
                    reader.append(rest.prefix(count))
                    rest = rest.dropFirst(count)
                    while let frame = try reader.next() {
                        taken += 4 + frame.count
                        _ = try? Wire.decode(Request.self, from: frame)
                    }
                }
            } catch {
                #expect(error.code == .frameSize)
            }
            #expect(taken <= stream.count)
        }
    }

    private func survives<Message: Codable & Equatable>(_ type: Message.Type, _ input: [UInt8])
        throws
    {
        let message: Message
        do { message = try Wire.decode(type, from: input) } catch {
            #expect(error.code == .malformed)
            return
        }
        let again = try Wire.decode(type, from: Wire.encode(message))
        #expect(again == message)
    }
}

/// Breaks JSON in the ways that parsers are broken by: bits, cuts, splices, repeats, and tokens at the wrong place.
struct Mutator {
    var random: SplitMix

    init(seed: UInt64) { random = SplitMix(seed) }

    private static let tokens: [[UInt8]] = [
        "null", "true", "-0", "1e308", "1e-999", "-1", "18446744073709551616", "0.1", "\"\"",
        "\"\\ud800\"",
        "\"\\u0000\"", "{", "}", "[", "]", ",", ":", "[[[[[[[[", "{\"\":", "\\", "\"", "\u{feff}",
        "/*", "0x1", "NaN",
    ].map { Array($0.utf8) }

    mutating func mutate(_ corpus: [[UInt8]]) -> [UInt8] {
        var bytes = corpus.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, at + Int.random(in: 0...16, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1 where at < bytes.count: bytes[at] = .random(in: 0...255, using: &random)
            case 2: bytes.removeSubrange(at..<end)
            case 3:
                bytes.insert(contentsOf: Self.tokens.randomElement(using: &random) ?? [], at: at)
            case 4:
                bytes.replaceSubrange(
                    at..<end, with: Self.tokens.randomElement(using: &random) ?? [])
            case 5: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 6:
                let other = corpus.randomElement(using: &random) ?? []
                bytes.insert(
                    contentsOf: other.suffix(Int.random(in: 0...other.count, using: &random)),
                    at: at)
            default: bytes.removeLast(min(bytes.count, Int.random(in: 0...8, using: &random)))
            }
        }
        return bytes
    }
}
