import MeshModel
import Netlink
import Synchronization
import TestSupport
import Testing
import WireGuard

@Suite("Mutated replies of the WireGuard family")
struct DeviceFuzzTests {
    @Test("neither crash the reader nor keep it busy, and are refused or read")
    func mutated() throws {
        var random = SplitMix(99)
        let seeds = try Self.seeds(&random)
        let next = Mutex<[UInt8]>([])
        let backend = KernelBackendTests.kernel { sequence in
            var datagram = next.withLock { $0 }
            if datagram.count >= 16 {
                datagram.set32(8, sequence)
                datagram.set32(12, testPort)
            }
            return [datagram, done(sequence: sequence), acknowledgement(sequence: sequence)]
        }
        var refused = 0
        var read = 0
        for _ in 0..<fuzzRounds(4000) {
            guard var bytes = seeds.randomElement(using: &random) else { break }
            Self.mutate(&bytes, &random)
            next.withLock { $0 = bytes }
            do {
                _ = try backend.read("wg0", identify: { _ in PresharedKeyID(rawValue: "") })
                read += 1
            } catch {
                refused += 1
            }
        }
        #expect(refused > 0 && read > 0)
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 16 {
            let place = Int.random(in: 16..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2:
                bytes[place] = [0, 1, 3, 4, 8, 9, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 3: bytes.removeLast(min(Int.random(in: 0...8, using: &random), bytes.count - 16))
            default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            }
        }
        if Int.random(in: 0..<10, using: &random) > 0 { bytes.set32(0, UInt32(bytes.count)) }
    }

    /// Small devices, as the kernel would tell them: the requests that make them have the same attributes.
    private static func seeds(_ random: inout SplitMix) throws -> [[UInt8]] {
        let kernel = MemoryWireGuard()
        let backend = kernel.backend()
        for count in 0..<8 {
            let peers = (0..<count % 3).map { _ in
                Sample.peer(&random, addresses: count).configuration
            }
            try backend.configure(
                "wg0",
                DeviceConfiguration(
                    privateKey: TestSecret(bytes: random.bytes(32)), listenPort: 7, peers: peers))
        }
        return kernel.state.withLock { Array($0.requests.dropFirst()) }
    }
}
