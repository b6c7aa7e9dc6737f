import MeshModel
import Netlink
import TestSupport
import Testing

@Suite("The netlink codec")
struct CodecTests {
    @Test("writes nested attributes with lengths patched in and padding zeroed")
    func nested() {
        var writer = NetlinkWriter()
        writer.start(type: 0x1234, flags: NetlinkFlags.request)
        writer.nested(5) { inner in
            inner.put(1, UInt8(7))
            inner.put(2, "ab")
        }
        writer.seal(sequence: 9)
        let golden =
            field([0x24, 0, 0, 0], "length 36")
            + field([0x34, 0x12], "type")
            + field([1, 0], "NLM_F_REQUEST")
            + field([9, 0, 0, 0], "sequence")
            + field([0, 0, 0, 0], "port: the kernel's to fill in")
            + field([0x14, 0, 5, 0x80], "attribute 5, 20 bytes, NLA_F_NESTED")
            + field([5, 0, 1, 0, 7, 0, 0, 0], "attribute 1: one byte, three of padding")
            + field(
                [7, 0, 2, 0, 0x61, 0x62, 0, 0], "attribute 2: \"ab\", its zero, one of padding")
        let bytes = writer.withBytes { [UInt8]($0) }
        #expect(hex(bytes) == hex(golden))
    }

    @Test("takes back what does not fit, and writes clean padding where it was")
    func rollBack() {
        var writer = NetlinkWriter(capacity: 32)
        writer.start(type: 1, flags: 0)
        let mark = writer.mark
        writer.put(1, UInt32(0xffff_ffff))
        writer.put(1, UInt32(0xffff_ffff))
        let before = writer.hasOverflowed
        writer.put(2, UInt8(1))
        let after = writer.hasOverflowed
        writer.rollBack(to: mark)
        let (cleared, count) = (writer.hasOverflowed, writer.count)
        #expect(!before && after && !cleared && count == 16)
        writer.put(3, UInt8(1))
        let bytes = writer.withBytes { Array($0[16...]) }
        #expect(bytes == [5, 0, 3, 0, 1, 0, 0, 0])
    }

    @Test("refuses a nest longer than 16 bits can say")
    func longNest() {
        var writer = NetlinkWriter(capacity: 100_000)
        writer.start(type: 1, flags: 0)
        writer.nested(1) { inner in
            for _ in 0..<10_000 { inner.put(2, UInt32(0)) }
        }
        let overflowed = writer.hasOverflowed
        #expect(overflowed)
    }

    @Test(
        "refuses attributes whose lengths make no sense",
        arguments: [
            ([3, 0, 1, 0], "an attribute of 3 bytes"),
            ([0, 0, 1, 0], "an attribute of 0 bytes"),
            ([9, 0, 1, 0, 1, 2, 3, 4], "an attribute of 9 bytes where 8 are left"),
            ([4, 0, 1, 0, 4, 0], "2 bytes left over"),
        ] as [([UInt8], String)])
    func badLengths(_ bytes: [UInt8], _ reason: String) {
        bytes.withUnsafeBytes { raw in
            var reader = NetlinkReader(raw)
            while reader.next() {}
            #expect(reader.failure?.hasPrefix(reason) == true)
            #expect(throws: NetlinkError.self) { try reader.check("read") }
        }
    }

    @Test("refuses a value of the wrong size, and goes no further")
    func wrongSize() {
        let bytes: [UInt8] = [5, 0, 1, 0, 1, 0, 0, 0, 8, 0, 2, 0, 1, 2, 3, 4]
        bytes.withUnsafeBytes { raw in
            var reader = NetlinkReader(raw)
            let found = (reader.next(), reader.uint32(), reader.next())
            #expect(found == (true, 0, false))
            #expect(reader.failure == "a value of 1 bytes where 4 were due (attribute 1)")
        }
    }

    @Test("takes a last attribute without its padding, and any alignment")
    func unpadded() {
        // One byte in front: every load is unaligned.
        let bytes: [UInt8] = [0xff, 8, 0, 1, 0, 0x78, 0x56, 0x34, 0x12, 5, 0, 2, 0x40, 9]
        bytes.withUnsafeBytes { raw in
            var reader = NetlinkReader(raw, from: 1)
            let first = (reader.next(), reader.type, reader.uint32())
            let second = (reader.next(), reader.type, reader.uint8())
            let end = reader.next()
            #expect(first == (true, 1, 0x1234_5678))
            #expect(second == (true, 2, 9))
            #expect(!end && reader.failure == nil)
        }
    }

    @Test("what is wrong inside a nest is wrong with the whole")
    func nestedFailure() {
        let bytes: [UInt8] = [8, 0, 1, 0x80, 2, 0, 0, 0, 5, 0, 2, 0, 1, 0, 0, 0]
        bytes.withUnsafeBytes { raw in
            var reader = NetlinkReader(raw)
            let found = reader.next()
            reader.nested { inner in while inner.next() {} }
            let end = reader.next()
            #expect(found && !end)
            #expect(reader.failure != nil)
        }
    }

    @Test("reads an acknowledgement with the kernel's words and the place of the fault")
    func extendedAcknowledgement() {
        let bytes =
            field([0x48, 0, 0, 0], "length 72")
            + field([2, 0], "NLMSG_ERROR")
            + field([0, 3], "NLM_F_CAPPED | NLM_F_ACK_TLVS")
            + field([1, 0, 0, 0, 0x67, 0x12, 0, 0], "sequence 1, port 4711")
            + field([0xea, 0xff, 0xff, 0xff], "-22: EINVAL")
            + field(
                [0x30, 0, 0, 0, 0x10, 0, 5, 0, 1, 0, 0, 0, 0x67, 0x12, 0, 0],
                "our header, its payload left out")
            + field([0x14, 0, 1, 0], "NLMSGERR_ATTR_MSG, 20 bytes")
            + field(Array("no such device\0".utf8) + [0], "the text, its zero, padding")
            + field([8, 0, 2, 0, 0x14, 0, 0, 0], "NLMSGERR_ATTR_OFFS: byte 20")
            + field([8, 0, 5, 0, 3, 0, 0, 0], "NLMSGERR_ATTR_MISS_TYPE: 3")
        bytes.withUnsafeBytes { raw in
            var messages = NetlinkMessages(raw)
            let answer = messages.next().flatMap { NetlinkAnswer($0) }
            #expect(answer?.errno == 22)
            #expect(answer?.text == "no such device")
            #expect(answer?.offset == 20)
            #expect(answer?.missingType == 3)
            let end = messages.next() == nil
            #expect(end && messages.failure == nil)
        }
    }

    @Test("refuses an acknowledgement with an impossible errno", arguments: [1, Int32.max])
    func positiveErrno(_ code: Int32) {
        let bytes = message(NetlinkControl.error, sequence: 1) { $0.append(code) }
        bytes.withUnsafeBytes { raw in
            var messages = NetlinkMessages(raw)
            let answer = messages.next().flatMap { NetlinkAnswer($0) }
            #expect(answer == nil)
        }
    }

    @Test("refuses messages whose lengths make no sense", arguments: [0, 15, 17, UInt32.max])
    func badMessage(_ length: UInt32) {
        var bytes = message(20, sequence: 1) { _ in }
        bytes.set32(0, length)
        bytes.withUnsafeBytes { raw in
            var messages = NetlinkMessages(raw)
            let end = messages.next() == nil
            #expect(end)
            #expect(messages.failure != nil)
        }
    }
}
