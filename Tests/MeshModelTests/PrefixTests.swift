import MeshModel
import TestSupport
import Testing

@Suite("Networks contain what they should")
struct PrefixTests {
    @Test("text survives, host bits included")
    func roundTrip() throws {
        var random = SplitMix(4)
        for _ in 0..<2_000 {
            let address = AddressTextTests.address(&random, sparse: true)
            let length = Int.random(in: 0...address.family.bits, using: &random)
            let prefix = try #require(IPPrefix(address, length: length))
            #expect(IPPrefix(prefix.description) == prefix)
            #expect(prefix.network.network == prefix.network)
            #expect(prefix.contains(prefix.network.address))
            #expect(prefix.network.contains(address))
        }
    }

    @Test(
        "what is no network is refused",
        arguments: [
            "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "::/129", "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/08", "10.0.0.0/00", "::/99999999999999999999",
            "::/1a",
        ])
    func refused(_ text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test("membership agrees with comparing bit by bit")
    func membership() throws {
        var random = SplitMix(5)
        for _ in 0..<2_000 {
            let address = AddressTextTests.address(&random, sparse: false)
            let length = Int.random(in: 0...address.family.bits, using: &random)
            let prefix = try #require(IPPrefix(address, length: length))
            // One bit flipped: inside exactly if the bit is a host bit.
            let bit = Int.random(in: 0..<address.family.bits, using: &random)
            var bytes = address.bytes
            bytes[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            let other = try #require(IPAddress(bytes: bytes))
            #expect(prefix.contains(other) == (bit >= length))
        }
    }

    @Test(
        "overlaps are seen from both sides",
        arguments: [
            ("10.0.0.0/8", "10.5.0.0/16", true), ("10.0.0.0/16", "10.1.0.0/16", false),
            ("0.0.0.0/0", "203.0.113.1/32", true), ("0.0.0.0/0", "::/0", false),
            ("fd77::/64", "fd77:0:0:1::/64", false), ("fd77::/48", "fd77:0:0:1::/64", true),
            ("10.0.0.0/24", "10.0.0.0/24", true), ("10.0.0.0/25", "10.0.0.128/25", false),
        ])
    func overlaps(_ one: String, _ other: String, _ wanted: Bool) throws {
        let (a, b) = (try #require(IPPrefix(one)), try #require(IPPrefix(other)))
        #expect(a.overlaps(b) == wanted)
        #expect(b.overlaps(a) == wanted)
    }

    @Test("a host's prefix is the whole address")
    func host() throws {
        let address = try #require(IPAddress("fd77::9"))
        #expect(IPPrefix(host: address).description == "fd77::9/128")
        #expect(IPPrefix(host: address).isHost)
        #expect(IPPrefix(host: address).network.address == address)
        #expect(IPPrefix("10.0.0.0/31")?.isHost == false)
    }
}
