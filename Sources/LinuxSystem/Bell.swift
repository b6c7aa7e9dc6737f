import CLinux
import Glibc

/// Wakes a thread that waits for descriptors. *Source:* `eventfd(2)`.
public final class Bell: Sendable {
    private let descriptor: Descriptor

    /// A bell that has not been rung.
    public init() throws(SystemError) {
        descriptor = Descriptor(owning: try check("eventfd") { cl_eventfd() })
    }

    /// Readable from the first ``ring()`` until ``silence()``.
    public var number: Int32 { descriptor.number }

    /// Rings. *Idempotency:* as often as one likes before it is silenced.
    public func ring() {
        var one: UInt64 = 1
        _ = Glibc.write(number, &one, 8)
    }

    /// Takes note of all that was rung so far.
    public func silence() {
        var count: UInt64 = 0
        _ = Glibc.read(number, &count, 8)
    }
}
