import MeshModel
import Testing

@testable import WireWitness

@Suite("Rings share the memory that a capture may have")
struct RingSizesTests {
    private func bytes(_ sizes: RingSizes?) -> Int {
        Int(sizes?.block ?? 0) * Int(sizes?.blocks ?? 0)
    }

    @Test(
        "few devices get much, a device within the host a quarter, and all of it is within the limit"
    )
    func few() {
        let shares = RingSizes.shares([.underlay: 1, .inside: 2, .inner: 4], limit: 64 << 20)
        #expect(bytes(shares[.underlay]) == 16 << 20 && bytes(shares[.inside]) == 16 << 20)
        #expect(bytes(shares[.inner]) == 4 << 20)
    }

    @Test(
        "an underlay device has 4 MiB, however many there are, and each block holds a super-packet")
    func many() {
        for limit in [0, 1 << 20, 64 << 20] {
            let shares = RingSizes.shares([.underlay: 20, .inside: 2, .inner: 400], limit: limit)
            #expect(bytes(shares[.underlay]) == 4 << 20)
            #expect(shares.values.allSatisfy { $0.block > 66_000 && $0.blocks >= 2 })
        }
    }

    @Test("where memory is short a ring is halved, down to two blocks")
    func halved() {
        var sizes: RingSizes? = RingSizes(bytes: 4 << 20)
        var seen: [Int] = []
        while let some = sizes {
            seen.append(bytes(some))
            sizes = some.halved
        }
        #expect(seen == [4 << 20, 2 << 20, 1 << 20, 512 << 10, 256 << 10])
    }
}
