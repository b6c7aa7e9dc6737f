import LinuxSystem
import MeshModel

/// One connection of a probe, and what has come of it so far. Belongs to one thread.
final class Attempt {
    let order: ProbeOrder
    /// When to give up, on the monotonic clock.
    let deadline: Double
    /// Our end of the connection, once it is made.
    var localEnd: SocketEndpoint?
    /// *Units:* bytes of payload.
    var sent: UInt64 = 0
    /// *Units:* bytes of payload.
    var received: UInt64 = 0
    /// What TLS has negotiated.
    var tls: TLSFacts?

    init(_ order: ProbeOrder) {
        self.order = order
        let timeout = order.timeout.isFinite ? min(max(order.timeout, 0), 600) : 10
        deadline = Clocks.monotonic() + timeout
    }

    /// The canary, repeated until it is longer than `count` bytes, and so longer than two packets; empty where there is none.
    func canary(longerThan count: Int = 3_000) throws(ProbeEnd) -> [UInt8] {
        let text = Array(order.canary.utf8)
        if text.isEmpty { return [] }
        // It becomes part of headers and of lines, and a service may keep it in its log.
        guard text.count <= 1_000, text.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw ProbeEnd(.failed, "the canary is not up to 1000 printable characters")
        }
        // Between two copies stands what can be in no canary, so that one ends where it ends.
        var bytes: [UInt8] = []
        while bytes.count <= count { bytes += text + [UInt8(ascii: ".")] }
        return bytes
    }
}
