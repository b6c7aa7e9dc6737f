import MeshModel
import TestSupport
import Testing
import WireWitness

@Suite("Bytes off the wire are hostile")
struct WitnessFuzzTests {
    @Test("random and mutated frames never crash the reader, and no range leaves the frame")
    func mutated() {
        var random = SplitMix(41)
        let seeds = Self.seeds(&random)
        let order = sampleOrder()
        var examiner = Examiner(
            order, devices: [Examiner.Device(name: "eth0", role: .underlay, mtu: 1500)])
        var between = 0
        for round in 0..<fuzzRounds(20_000) {
            var bytes =
                round % 4 == 0
                ? random.bytes(Int.random(in: 0...120, using: &random)) : random.pick(seeds)
            Self.mutate(&bytes, &random)
            let link: Frame.Link =
                random.chance(5)
                ? .network(
                    etherType: random.pick([0x0800, 0x86dd, 0x8100]),
                    offset: Int.random(in: -2...60, using: &random)) : .ethernet
            bytes.withUnsafeBytes { raw in
                let frame = Frame(PacketBytes(raw), link: link)
                #expect(frame.payload.lowerBound >= 0 && frame.payload.upperBound <= raw.count)
                #expect(frame.carried.lowerBound >= 0 && frame.carried.upperBound <= raw.count)
                if Classifier(order).sort(frame, PacketBytes(raw)) != nil { between += 1 }
                examiner.take(raw, link: link, device: 0, length: raw.count)
            }
        }
        // Mutations that only make strangers would show nothing.
        #expect(between > fuzzRounds(20_000) / 20)
        #expect(!examiner.facts([], LearntEndpoints([], order)).flows.isEmpty)
    }

    /// The rule again, as plainly as can be, for frames of which the headers are known.
    private static func hasShape(_ payload: [UInt8], _ udpLength: Int) -> Bool {
        guard payload.count >= 4, payload[1] == 0, payload[2] == 0, payload[3] == 0,
            udpLength == payload.count + 8
        else { return false }
        switch payload[0] {
        case 1: return udpLength == 156
        case 2: return udpLength == 100
        case 3: return udpLength == 72
        case 4: return udpLength >= 40
        default: return false
        }
    }

    @Test("nothing without the shape is WireGuard, and nearly all that has it is")
    func shapes() {
        var random = SplitMix(43)
        var (good, bad) = (0, 0)
        for _ in 0..<fuzzRounds(20_000) {
            let count = random.pick([
                148, 92, 64, 32, 33, 48, 96, 1452, Int.random(in: 0...200, using: &random),
            ])
            var payload = random.bytes(count)
            for index in 0..<min(4, count) where !random.chance(10) {
                payload[index] = index == 0 ? UInt8.random(in: 0...5, using: &random) : 0
            }
            let length =
                count + 8 + (random.chance(10) ? Int.random(in: -9...9, using: &random) : 0)
            let isSix = random.chance(2)
            let datagram = WireFrames.udp(payload, length: max(length, 0))
            let frame = WireFrames.ethernet(
                isSix ? WireFrames.ipv6(datagram) : WireFrames.ipv4(datagram))
            let isWireGuard = kinds([frame]) == ["wireguard"]
            #expect(isWireGuard == Self.hasShape(payload, max(length, 0)), "\(hex(payload))")
            if isWireGuard { good += 1 } else { bad += 1 }
        }
        // A tenth of each at least, however many rounds there are.
        #expect(good > (good + bad) / 10 && bad > (good + bad) / 10)
    }

    private static func seeds(_ random: inout SplitMix) -> [[UInt8]] {
        typealias W = WireFrames
        let datagram = W.udp(W.wireGuard(4, 96))
        return [
            W.ethernet(W.ipv4(datagram)), W.ethernet(W.ipv6(datagram)),
            W.ethernet(
                W.ipv6(
                    [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9]
                        + datagram, 0)),
            W.ethernet(W.ipv4(W.tcp(Array("GET / mpcanary-a ".utf8), 4000, 22), 6)),
            W.ethernet([0, 7, 8, 0] + W.ipv4(datagram), type: 0x8100),
            W.ethernet(W.ipv4(datagram, place: 16, more: true)),
            W.ethernet(W.ipv4([8, 0, 0, 0, 0, 1, 0, 1], 1)),
            W.ethernet(
                W.ipv4(W.udp([8, 0, 0, 0, 0, 0, 1, 0] + W.ethernet(W.ipv4(datagram)), 1, 4789))),
        ]
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            bytes[at] =
                random.chance(3)
                ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : UInt8.random(in: 0...255, using: &random)
        }
        if random.chance(4) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
        if random.chance(8) { bytes += random.bytes(Int.random(in: 1...40, using: &random)) }
    }
}
