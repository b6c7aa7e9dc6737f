import CLinux

/// Finds canaries in bytes, wherever they are: no header is trusted to say where to look.
///
/// Each frame is searched on its own: a canary that is cut in two by the end of a segment or a fragment is not found in
/// either, so what is sent should hold several copies. It is found only as it is, not compressed or encoded.
package struct CanarySearch: Sendable {
    /// What is kept of a canary at most.
    package static let longest = 128
    private let prefix: [UInt8]

    /// Looks for what begins with `prefix`; an empty one is found nowhere.
    package init(prefix: String) { self.prefix = Array(prefix.utf8) }

    /// Calls `found` with each canary: the prefix, and as many of `a-z`, `0-9` and `-` as follow it. One that the frame's
    /// end cuts off is given as far as it goes.
    package func each(_ bytes: PacketBytes, _ found: (PacketBytes) -> Void) {
        guard !prefix.isEmpty, let base = bytes.raw.baseAddress else { return }
        var start = 0
        while bytes.count - start >= prefix.count {
            let offset = cl_find(base + start, bytes.count - start, prefix, prefix.count)
            if offset < 0 { return }
            let begin = start + offset
            var end = begin + prefix.count
            while end < bytes.count, end - begin < Self.longest, Self.isPart(bytes.raw[end]) {
                end += 1
            }
            found(bytes.part(begin..<end))
            start = end
        }
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
