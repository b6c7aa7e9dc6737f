import MeshModel
import NodeProtocol
import TestSupport
import Testing

@Suite("What agents say to each other's mailboxes")
struct MailTests {
    @Test("a call has these bytes, and no others")
    func call() throws {
        let call = MailCall(highest: 0x0102_0304_0506_0708, inForce: 7, isSettling: true)
        let expected: [UInt8] =
            Array("mpmail".utf8) + [0, 1]  // format 1
            + [1, 2, 3, 4, 5, 6, 7, 8]  // highest
            + [0, 0, 0, 0, 0, 0, 0, 7]  // in force
            + [1, 0, 0, 0, 0, 0, 0, 0]  // settling, and nothing
        #expect(call.encoded == expected)
        #expect(MailCall(expected) == call)
        for index in expected.indices where !(8..<24).contains(index) {
            var other = expected
            other[index] ^= 0x40
            #expect(MailCall(other) == nil, "byte \(index)")
        }
        #expect(MailCall(Array(expected.dropLast())) == nil)
        #expect(MailCall(expected + [0]) == nil)
    }

    @Test("an answer announces no more than a mail may have")
    func answer() {
        for count in [0, 1, 65_536, MailContent.limit] {
            #expect(MailAnswer.length(MailAnswer.head(count)) == count)
        }
        #expect(MailAnswer.length(MailAnswer.head(MailContent.limit + 1)) == nil)
        #expect(MailAnswer.length(MailAnswer.head(-1)) == nil)
        #expect(MailAnswer.length([]) == nil)
        #expect(MailAnswer.length([UInt8](repeating: 0, count: 12)) == nil)
    }

    private func mail(_ keys: Int) throws -> (MailContent, [UInt8]) {
        let ids = (0..<keys).map {
            PresharedKeyID(rawValue: String(repeating: "\($0 % 10)", count: 32))
        }
        let content = MailContent(
            meshID: String(repeating: "0", count: 32), node: "gpu",
            document: SignedDocument(payload: "e30=", signature: "AAAA"), presharedKeys: ids,
            succession: [])
        return (content, try content.head() + [UInt8](repeating: 9, count: keys * 32))
    }

    private func read(_ bytes: [UInt8]) throws -> (MailContent, Int) {
        try bytes.withUnsafeBytes { raw in
            let (content, start) = try MailContent.read(raw)
            return (content, start)
        }
    }

    @Test("a mail comes back as it went, with its keys behind it", arguments: [0, 1, 5])
    func content(keys: Int) throws {
        let (content, bytes) = try mail(keys)
        let (found, start) = try read(bytes)
        #expect(found == content && bytes.count - start == keys * 32)
        for count in [0, 3, 17, 20, start - 1, bytes.count - 1] where count < bytes.count {
            #expect(throws: ProtocolError.self) { try read(Array(bytes.prefix(count))) }
        }
        #expect(throws: ProtocolError.self) { try read(bytes + [0]) }
        #expect(throws: ProtocolError.self) { try read(Array(bytes.dropFirst())) }
    }

    @Test(
        "hostile bytes are refused, or are what we could have sent",
        arguments: 0..<4 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var mutator = Mutator(seed: seed)
        let corpus = [
            try mail(0).1, try mail(3).1,
            MailCall(highest: 9, inForce: 3, isSettling: false).encoded, MailAnswer.head(70),
        ]
        for _ in 0..<fuzzRounds(2_000) / 4 {
            let input = mutator.mutate(corpus)
            if let call = MailCall(input) { #expect(call.encoded == input) }
            if let length = MailAnswer.length(input) { #expect(MailAnswer.head(length) == input) }
            guard let (content, start) = try? read(input) else { continue }
            #expect(input.count - start == content.presharedKeys.count * 32)
        }
    }
}
