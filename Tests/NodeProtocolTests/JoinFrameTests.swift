import MeshModel
import NodeProtocol
import Testing

@Suite("What joins and relays say is bounded")
struct JoinFrameTests {
    @Test("a relay's frames are cut out of a stream wherever it is cut")
    func relayFrames() throws {
        let frames = [
            RelayFrame(.ready, 0, Array("7443".utf8)), RelayFrame(.opened, 7, Array("::1".utf8)),
            RelayFrame(.data, 7, [UInt8](repeating: 5, count: RelayFrame.limit)),
            RelayFrame(.data, .max, []), RelayFrame(.closed, 7),
        ]
        let stream = frames.flatMap(\.encoded)
        var reader = RelayReader()
        var got: [RelayFrame] = []
        var place = 0
        while place < stream.count {
            let end = min(stream.count, place + Int.random(in: 1...9000))
            reader.append(Array(stream[place..<end]))
            place = end
            while let frame = try reader.next() { got.append(frame) }
        }
        #expect(got == frames)
    }

    @Test("golden: kind, connection, length, bytes")
    func golden() {
        #expect(
            RelayFrame(.data, 0x0102_0304, [0xaa, 0xbb]).encoded
                == [3, 1, 2, 3, 4, 0, 0, 0, 2, 0xaa, 0xbb])
    }

    @Test("a length above the limit and an unknown kind end it, before anything is taken in")
    func hostileRelay() throws {
        var large = RelayReader()
        large.append([3, 0, 0, 0, 1, 0, 1, 0, 1])
        #expect(throws: ProtocolError.self) { try large.next() }
        var odd = RelayReader()
        odd.append([9, 0, 0, 0, 1, 0, 0, 0, 0])
        #expect(throws: ProtocolError.self) { try odd.next() }
        for _ in 0..<5000 {
            var reader = RelayReader()
            reader.append((0..<Int.random(in: 0...40)).map { _ in UInt8.random(in: 0...255) })
            while let frame = try? reader.next() { #expect(frame.bytes.count <= 31) }
        }
    }

    @Test("a join's frame above its bound is refused by its length alone")
    func bound() throws {
        var reader = FrameReader(bound: JoinLimits.frame)
        let length = JoinLimits.frame + 1
        reader.append([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) })
        #expect(throws: ProtocolError.self) { try reader.next() }
    }

    @Test("orders and answers are what they were after a journey, and nothing else is one")
    func messages() throws {
        let orders: [JoinOrder] = [
            .look(mesh: "lab"), .bridge(mesh: "lab"),
            .end(JoinEnd(error: nil, reaches: ["web.lab:80"])),
            .enroll(
                JoinEnrollment(
                    mesh: "lab", meshID: String(repeating: "0", count: 32), node: "nas",
                    controllerKey: .zero, successions: [])),
        ]
        for order in orders {
            let bytes = try Wire.encode(order)
            #expect(try Wire.decode(JoinOrder.self, from: bytes) == order)
            for _ in 0..<500 {
                var noise = bytes
                noise[Int.random(in: 0..<noise.count)] = UInt8.random(in: 0...255)
                // Whatever it is then, it is read or refused, and never traps.
                _ = try? Wire.decode(JoinOrder.self, from: noise)
            }
        }
        for text in ["{\"run\":{\"command\":\"id\"}}", "{}", "[]", "{\"look\":{}}", "null"] {
            #expect(throws: ProtocolError.self) {
                try Wire.decode(JoinOrder.self, from: Array(text.utf8))
            }
        }
    }
}
