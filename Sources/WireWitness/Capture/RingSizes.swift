import MeshModel

/// How much memory each device's ring gets: an equal share of what may be used, a quarter share within the host, and
/// always enough for a burst.
///
/// *Units:* bytes. A block holds at least one super-packet of segmentation offload (64 KiB).
struct RingSizes: Sendable, Equatable {
    /// The size of one block.
    var block: UInt32
    /// How many of them.
    var blocks: UInt32

    /// One ring of about so many bytes, of at least two blocks.
    init(bytes: Int) {
        let block = bytes >= 2 << 20 ? 256 << 10 : 128 << 10
        self.block = UInt32(block)
        blocks = UInt32(clamping: max(bytes / block, 2))
    }

    /// Half of it, or nil where it is as small as it may be.
    var halved: RingSizes? {
        blocks < 4 ? nil : RingSizes(bytes: Int(block) * Int(blocks) / 2)
    }

    /// A ring for each role, where so many devices of each share `limit`.
    static func shares(
        _ counts: [DeviceCapture.Role: Int], limit: Int
    ) -> [DeviceCapture.Role: RingSizes] {
        let inner = counts[.inner] ?? 0
        let shares = 4 * ((counts[.underlay] ?? 0) + (counts[.inside] ?? 0)) + inner
        let share = max(limit, 0) / max(shares, 1)
        func ring(_ bytes: Int, _ least: Int) -> RingSizes {
            RingSizes(bytes: min(max(bytes, least), 64 << 20))
        }
        return [
            .underlay: ring(4 * share, 4 << 20), .inside: ring(4 * share, 2 << 20),
            .inner: ring(share, 256 << 10),
        ]
    }
}
