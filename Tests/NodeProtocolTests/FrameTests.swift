import NodeProtocol
import TestSupport
import Testing

@Suite("A stream is cut into the frames that were put into it")
struct FrameTests {
    @Test("A frame is four bytes of big-endian length and the payload")
    func golden() throws {
        #expect(try FrameReader.frame([0xaa]) == [0, 0, 0, 1, 0xaa])
        let long = try FrameReader.frame([UInt8](repeating: 7, count: 0x01_0203))
        #expect(long.prefix(5) == [0x00, 0x01, 0x02, 0x03, 7])
    }

    @Test(
        "However the stream is chopped, the frames are the same", arguments: 0..<20 as Range<UInt64>
    )
    func chopped(seed: UInt64) throws {
        var random = SplitMix(seed)
        let payloads = (0..<60).map { _ in
            [UInt8](
                (0..<Int.random(in: 1...300, using: &random)).map { _ in
                    .random(in: 0...255, using: &random)
                })
        }
        var stream = try payloads.flatMap { try FrameReader.frame($0) }[...]
        var reader = FrameReader()
        var found: [[UInt8]] = []
        while !stream.isEmpty {
            let count = Int.random(in: 1...500, using: &random)
            reader.append(stream.prefix(count))
            stream = stream.dropFirst(count)
            while let frame = try reader.next() { found.append(frame) }
        }
        #expect(found == payloads)
        #expect(!reader.isMidFrame)
    }

    @Test("Part of a frame is not a frame, and is known to be one")
    func partial() throws {
        var reader = FrameReader()
        #expect(!reader.isMidFrame)
        for byte in try FrameReader.frame([1, 2, 3]).dropLast() {
            reader.append([byte])
            #expect(try reader.next() == nil)
            #expect(reader.isMidFrame)
        }
        reader.append([3])
        #expect(try reader.next() == [1, 2, 3])
        #expect(!reader.isMidFrame)
    }

    @Test(
        "An empty or oversized length ends the conversation before its bytes come",
        arguments: [
            [0, 0, 0, 0], [2, 0, 0, 1], [0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff],
        ] as [[UInt8]])
    func badLength(head: [UInt8]) throws {
        var reader = FrameReader()
        reader.append(head)
        #expect { try reader.next() } throws: { ($0 as? ProtocolError)?.code == .frameSize }
        // And it does not recover by itself.
        reader.append(try FrameReader.frame([1]))
        #expect { try reader.next() } throws: { ($0 as? ProtocolError)?.code == .frameSize }
    }

    @Test("The largest frame passes and one byte more does not")
    func limit() throws {
        let largest = [UInt8](repeating: 0x20, count: FrameReader.limit)
        var reader = FrameReader()
        reader.append(try FrameReader.frame(largest))
        #expect(try reader.next()?.count == FrameReader.limit)
        #expect { try FrameReader.frame(largest + [0]) } throws: {
            ($0 as? ProtocolError)?.code == .frameSize
        }
        #expect { try FrameReader.frame([]) } throws: { ($0 as? ProtocolError)?.code == .frameSize }
    }

    /// A reader that moves its buffer for each frame takes minutes for this.
    @Test("A flood of the smallest frames takes time that grows with their number only")
    func flood() throws {
        let count = 300_000
        var reader = FrameReader()
        reader.append([UInt8]((0..<count).flatMap { _ in [0, 0, 0, 1, 0x20] as [UInt8] }))
        var found = 0
        while try reader.next() != nil { found += 1 }
        #expect(found == count)
    }
}
