/// The 48 bits of an Ethernet address.
package struct HardwareAddress: Hashable, Sendable {
    /// In the low bits, the first byte highest.
    package let bits: UInt64

    init(_ bits: UInt64) { self.bits = bits }

    /// Parses `02:00:00:00:00:01`; nil otherwise.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bits: UInt64 = 0
        for part in parts {
            guard part.utf8.count == 2, let byte = UInt8(part, radix: 16) else { return nil }
            bits = bits << 8 | UInt64(byte)
        }
        self.bits = bits
    }

    /// Whether it means several machines, or none: broadcast, multicast, and loopback's zeros.
    package var isShared: Bool { bits >> 40 & 1 == 1 || bits == 0 }
}
