import MeshModel
import TestSupport
import Testing

@testable import ServiceProbe

@Suite("A SYN by hand is one that every kernel takes, and only its own answer counts")
struct KnockPacketTests {
    private func end(_ text: String) throws -> SocketEndpoint {
        try #require(SocketEndpoint(text))
    }

    @Test("IPv4, byte for byte")
    func ipv4() throws {
        let knock = KnockPacket(
            source: try end("192.0.2.1:40000"), destination: try end("192.0.2.2:8080"),
            sequence: 0x0102_0304)
        let wanted =
            field([0x45, 0], "version 4, five words; no service class")
            + field([0, 44], "total length")
            + field([0, 0, 0x40, 0], "identification 0, not to be fragmented")
            + field([64, 6], "hops, TCP") + field([0xb6, 0xc8], "checksum of the header")
            + field([192, 0, 2, 1], "from") + field([192, 0, 2, 2], "to")
            + field([0x9c, 0x40], "port 40000") + field([0x1f, 0x90], "port 8080")
            + field([1, 2, 3, 4], "sequence") + field([0, 0, 0, 0], "no acknowledgement")
            + field([0x60, 0x02], "six words, SYN") + field([0xfa, 0xf0], "window")
        let packet = knock.packet(.syn)
        #expect(hex(Array(packet.prefix(36))) == hex(wanted))
        #expect(Array(packet[38...]) == [0, 0, 2, 4, 0x04, 0xc4])
        // What is summed up with its own checksum comes to nothing.
        #expect(KnockPacket.checksum(Array(packet.prefix(20))) == 0)
        let pseudo = [192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0, 24] + packet[20...]
        #expect(KnockPacket.checksum(pseudo) == 0)
        // What takes it back: the next sequence number, RST.
        let reset = knock.packet(.reset)
        #expect(Array(reset[24..<34]) == [1, 2, 3, 5, 0, 0, 0, 0, 0x60, 0x04])
    }

    @Test("answers: SYN and ACK, RST, and whatever is none", arguments: [4, 6])
    func answers(family: Int) throws {
        let (here, there) =
            family == 4
            ? (try end("192.0.2.1:40000"), try end("192.0.2.2:8080"))
            : (try end("[2001:db8::1]:40000"), try end("[2001:db8::2]:8080"))
        let knock = KnockPacket(source: here, destination: there, sequence: 7)
        // The other end's SYN, made into its answer.
        func reply(
            _ flags: UInt8, acknowledging: UInt8 = 8, from: SocketEndpoint? = nil,
            to: SocketEndpoint? = nil
        ) -> [UInt8] {
            var bytes = KnockPacket(
                source: from ?? there, destination: to ?? here, sequence: 99
            ).packet(.syn)
            let start = family == 4 ? 20 : 40
            bytes[start + 11] = acknowledging
            bytes[start + 13] = flags
            return bytes
        }
        #expect(knock.answer(inPacket: reply(0x12)) == .open)
        #expect(knock.answer(inPacket: reply(0x52)) == .open)
        #expect(knock.answer(inPacket: reply(0x14)) == .closed)
        #expect(knock.answer(inPacket: reply(0x10)) == nil)
        #expect(knock.answer(inPacket: reply(0x12, acknowledging: 9)) == nil)
        #expect(knock.answer(inPacket: knock.packet(.syn)) == nil)
        let other = SocketEndpoint(there.address, 8081)
        #expect(knock.answer(inPacket: reply(0x12, from: other)) == nil)
        let third = try #require(there.address.advanced(by: 1))
        #expect(knock.answer(inPacket: reply(0x12, from: SocketEndpoint(third, 8080))) == nil)
        #expect(knock.answer(inPacket: reply(0x12, to: SocketEndpoint(third, 40_000))) == nil)
        let whole = reply(0x12)
        for count in 0..<whole.count - 4 {
            #expect(knock.answer(inPacket: Array(whole.prefix(count))) == nil)
        }
    }

    @Test("any bytes are read without harm")
    func fuzz() throws {
        let knock = KnockPacket(
            source: try end("192.0.2.1:40000"), destination: try end("192.0.2.2:8080"),
            sequence: 7)
        var random = SplitMix(5)
        for _ in 0..<fuzzRounds(2_000) {
            let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(knock.answer(inPacket: [0x45] + bytes) == nil)
            _ = PostgresError(bytes)
            _ = PostgresMessage.length(bytes)
            _ = HTTPQuestion.status(bytes)
            _ = RedisQuestion.isWhole(bytes)
        }
    }

    @Test(
        "hardware addresses",
        arguments: [
            ("02:00:00:00:00:fF", [2, 0, 0, 0, 0, 255] as [UInt8]?), ("02:00:00:00:00", nil),
            ("02:00:00:00:00:1", nil), ("", nil), ("02:00:00:00:00:01:", nil),
            ("+2:00:00:00:00:01", nil),
        ])
    func hardware(text: String, bytes: [UInt8]?) {
        #expect(HardwareAddress.bytes(text) == bytes)
    }
}
