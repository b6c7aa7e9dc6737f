import MeshModel
import Netlink
import Synchronization
import TestSupport
import Testing

@Suite("Mutated replies of the routing family")
struct NetlinkFuzzTests {
    /// What the fake kernel says next: one datagram, and whether to mend its header for the request at hand.
    private struct Next {
        var bytes: [UInt8] = []
        var mends = true
    }

    @Test("neither crash a decoder nor keep it busy, and are refused or read")
    func mutated() throws {
        var random = SplitMix(2024)
        let seeds = try Self.seeds(&random)
        let next = Mutex(Next())
        let socket = routeSocket { request in
            let (bytes, mends) = next.withLock { ($0.bytes, $0.mends) }
            var datagram = bytes
            if mends, datagram.count >= 16 {
                // A mutation of the header's length stays.
                datagram.set32(8, request.sequence)
                datagram.set32(12, testPort)
            }
            return [
                .success(datagram), .success(done(sequence: request.sequence)),
                .success(acknowledgement(sequence: request.sequence)),
            ]
        }
        var refused = 0
        var read = 0
        for _ in 0..<fuzzRounds(4000) {
            guard var bytes = seeds.randomElement(using: &random) else { break }
            Self.mutate(&bytes, &random)
            let mends = Int.random(in: 0..<20, using: &random) > 0
            next.withLock { $0 = Next(bytes: bytes, mends: mends) }
            do {
                try Self.decode(bytes, socket, &random)
                read += 1
            } catch {
                refused += 1
            }
        }
        // Both happen, or the mutations are no test.
        #expect(refused > 0 && read > 0)
    }

    /// Asks for what the datagram holds, by its type, so that its own decoder meets it.
    private static func decode(_ bytes: [UInt8], _ socket: RouteSocket, _ random: inout SplitMix)
        throws
    {
        switch bytes.count > 5 ? bytes.uint16(4) : 0 {
        case 16:
            if Bool.random(using: &random) {
                _ = try socket.links()
            } else {
                _ = try socket.link(named: "x")
            }
        case 20: _ = try socket.addresses()
        case 24:
            if Bool.random(using: &random) {
                _ = try socket.routes()
            } else {
                _ = try socket.route(to: IPAddress(ipv4: 1))
            }
        case 32: _ = try socket.rules()
        default: try socket.setLink(index: 1, up: true)
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2:
                bytes[place] = [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 3: bytes.removeLast(Int.random(in: 0...min(8, bytes.count), using: &random))
            case 4: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            default: bytes.removeSubrange(place..<min(place + 4, bytes.count))
            }
        }
        // Often the message still says its true length, so that the mutation is met further in.
        if bytes.count >= 16, Int.random(in: 0..<4, using: &random) > 0 {
            bytes.set32(0, UInt32(bytes.count))
        }
    }

    private static func seeds(_ random: inout SplitMix) throws -> [[UInt8]] {
        let kernel = MemoryKernel()
        let socket = kernel.socket()
        for _ in 0..<30 {
            try socket.replaceRoute(Sample.route(&random))
            try socket.addRule(Sample.rule(&random))
            try socket.addAddress(
                index: 1, Sample.prefix(Bool.random(using: &random) ? .ipv4 : .ipv6, &random))
        }
        try socket.createLink(name: "wg0", kind: "wireguard", group: 1)
        try socket.setLink(index: 1, up: true, mtu: 1420, group: 2)
        let answers = [
            acknowledgement(22, sequence: 1, text: "a reason"), done(1, sequence: 1),
            acknowledgement(sequence: 1),
        ]
        return kernel.requests + answers
    }
}
