import TestSupport
import Testing
import WireWitness

@Suite("WireGuard's messages have four shapes")
struct WireGuardShapeTests {
    private func shape(_ payload: [UInt8], udpLength: Int? = nil, mtu: Int = 1500)
        -> WireGuardShape?
    {
        payload.withUnsafeBytes {
            WireGuardShape(
                payload: PacketBytes($0), udpLength: udpLength ?? payload.count + 8, mtu: mtu)
        }
    }

    @Test(
        "a type byte, three zeros and the length that goes with it",
        arguments: [
            (1, 148, .initiation), (1, 147, nil), (1, 149, nil), (2, 92, .response), (2, 93, nil),
            (3, 64, .cookie), (3, 63, nil), (4, 32, .data), (4, 31, nil), (4, 1452, .data),
            (4, 48, .data), (0, 148, nil), (5, 64, nil),
        ] as [(UInt8, Int, WireGuardShape?)])
    func lengths(type: UInt8, count: Int, expected: WireGuardShape?) {
        #expect(shape(WireFrames.wireGuard(type, count)) == expected)
    }

    @Test("each of the three zeros counts", arguments: 1...3)
    func zeros(at: Int) {
        var message = WireFrames.wireGuard(4, 96)
        message[at] = 1
        #expect(shape(message) == nil)
    }

    @Test("text, zeros or an IP packet in a message's clothes are none")
    func disguised() {
        let head: [UInt8] = [4, 0, 0, 0, 1, 2, 3, 4, 9, 0, 0, 0, 0, 0, 0, 0]
        let text = [UInt8](repeating: 0x61, count: 200)
        #expect(shape(head + text) == nil)
        #expect(shape(head + [UInt8](repeating: 0, count: 64)) == nil)
        #expect(shape(head + [UInt8](repeating: 0xff, count: 64)) == nil)
        #expect(shape(head + WireFrames.ipv4(WireFrames.tcp(text, 4000, 8080), 6)) == nil)
        #expect(shape([1, 0, 0, 0] + Array(text.prefix(144))) == nil)
        #expect(shape(head + text.prefix(37)) == nil, "even little text")
    }

    @Test("random bytes are hardly ever wronged")
    func random() {
        var random = SplitMix(11)
        for _ in 0..<20_000 {
            let count = Int.random(in: 32...160, using: &random)
            #expect(shape([4, 0, 0, 0] + random.bytes(count - 4)) == .data)
        }
    }

    @Test("more than the MTU is a row of messages, each of which counts")
    func joined() {
        let row = (0..<4).flatMap {
            WireFrames.data($0 < 3 ? 1452 : 60, receiver: 7, counter: UInt8($0))
        }
        #expect(shape(row) == .data)
        var clear = row
        clear.replaceSubrange(1452 + 16..<2 * 1452, with: [UInt8](repeating: 0x61, count: 1436))
        #expect(shape(clear) == nil)
        let stranger = row.prefix(2 * 1452) + WireFrames.data(1452, receiver: 8, counter: 2)
        #expect(shape(Array(stranger)) == nil)
        #expect(shape(WireFrames.wireGuard(4, 4000)) == nil)
        #expect(shape(WireFrames.wireGuard(4, 4000), mtu: 9000) == .data)
    }
}
