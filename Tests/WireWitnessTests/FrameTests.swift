import MeshModel
import TestSupport
import Testing
import WireWitness

@Suite("A frame is read as its headers say, and no further")
struct FrameTests {
    private func read(_ bytes: [UInt8], _ link: Frame.Link = .ethernet) -> Frame {
        bytes.withUnsafeBytes { Frame(PacketBytes($0), link: link) }
    }

    @Test("a UDP datagram behind two VLAN tags")
    func tagged() throws {
        let frame = read(
            field([0x02, 0, 0, 0, 0, 0x0b], "to")
                + field([0x02, 0, 0, 0, 0, 0x0a], "from")
                + field([0x88, 0xa8, 0x00, 0x64], "802.1ad, VLAN 100")
                + field([0x81, 0x00, 0x00, 0x07], "802.1Q, VLAN 7")
                + field([0x08, 0x00], "IPv4")
                + field([0x45, 0, 0, 30], "version 4, 20 bytes of header, 30 in all")
                + field([0, 1, 0x40, 0, 64, 17, 0, 0], "whole, do not fragment, UDP")
                + field([192, 0, 2, 1], "source") + field([192, 0, 2, 2], "destination")
                + field([0x30, 0x39, 0, 9, 0, 10, 0, 0], "12345 to 9, 10 bytes")
                + field([0x68, 0x69], "payload"))
        #expect(frame.tags == 2 && frame.etherType == 0x0800 && !frame.isMalformed)
        #expect(frame.sourceHardware == HardwareAddress("02:00:00:00:00:0a"))
        #expect(
            frame.source == IPAddress("192.0.2.1") && frame.destination == IPAddress("192.0.2.2"))
        #expect(frame.sourcePort == 12345 && frame.destinationPort == 9 && frame.udpLength == 10)
        #expect(frame.payload == 50..<52 && frame.trailer == 0 && frame.fragment == nil)
    }

    @Test("a TCP segment behind IPv4 options, with Ethernet's filling behind it")
    func options() throws {
        let segment = WireFrames.tcp([], 40000, 22, sequence: 5, flags: 0x02)
        let frame = read(
            WireFrames.ethernet(
                WireFrames.ipv4(segment, 6, options: [0x94, 4, 0, 0])) + [0, 0])
        #expect(frame.options == 4 && frame.trailer == 2 && frame.payload.isEmpty)
        #expect(frame.segment?.isOpening == true && frame.segment?.sequence == 5)
        #expect(frame.destinationPort == 22 && !frame.isMalformed)
    }

    @Test("IPv6: hop-by-hop and destination options, then a fragment's header, then UDP")
    func extensions() throws {
        let frame = read(
            WireFrames.ethernet(
                WireFrames.ipv6(
                    field([60, 0, 5, 2, 0, 0, 1, 0], "hop by hop: router alert; next: destination")
                        + field([44, 1] + [1, 12] + [UInt8](repeating: 0, count: 12), "16 bytes")
                        + field([17, 0, 0, 1, 0, 0, 0, 9], "offset 0, more follow, number 9")
                        + WireFrames.udp([1, 2, 3], 1000, 2000, length: 3000), 0)))
        #expect(frame.options == 24 && frame.ipProtocol == 17)
        #expect(frame.fragment == Frame.Fragment(identification: 9, offset: 0, hasMore: true))
        #expect(frame.sourcePort == 1000 && frame.udpLength == 3000 && !frame.isMalformed)
    }

    @Test("a later fragment has no ports, whatever its bytes look like")
    func laterFragment() throws {
        let piece = WireFrames.udp([1, 2, 3])
        let four = read(WireFrames.ethernet(WireFrames.ipv4(piece, place: 1480)))
        #expect(four.fragment?.offset == 1480 && four.sourcePort == 0 && four.udpLength == nil)
        let six = read(
            WireFrames.ethernet(
                WireFrames.ipv6(field([17, 0, 0x05, 0xa8, 0, 0, 0, 9], "offset 1448") + piece, 44)))
        #expect(
            six.fragment?.offset == 1448 && six.sourcePort == 0 && six.payload.count == piece.count)
    }

    @Test("a device without Ethernet begins at the network layer")
    func raw() throws {
        let packet = WireFrames.ipv4(WireFrames.udp([1], 1, 2))
        let frame = read(packet, .network(etherType: 0x0800, offset: 0))
        #expect(frame.sourceHardware == nil && frame.destinationPort == 2)
        let behind = read([9, 9, 9, 9] + packet, .network(etherType: 0x0800, offset: 4))
        #expect(behind.destinationPort == 2 && behind.payload.count == 1)
    }

    @Test(
        "a header that lies about a length is malformed, and nothing past the end is read",
        arguments: [
            [0x45, 0, 0, 200], [0x41, 0, 0, 28], [0x4f, 0, 0, 28], [0x45, 0, 0, 3],
        ] as [[UInt8]])
    func lies(head: [UInt8]) throws {
        var packet = WireFrames.ipv4(WireFrames.udp([]))
        packet.replaceSubrange(0..<4, with: head)
        let frame = read(WireFrames.ethernet(packet, type: 0x0800))
        #expect(frame.isMalformed)
        #expect(frame.payload.upperBound <= 14 + packet.count)
    }

    @Test("bytes between UDP's end and IP's are noticed")
    func surplus() throws {
        let frame = read(
            WireFrames.ethernet(WireFrames.ipv4(WireFrames.udp([1, 2, 3, 4], length: 10))))
        #expect(frame.isMalformed)
    }
}
