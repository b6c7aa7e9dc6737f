import CLinux

/// When the memory that busy connections have used is given back to the system: once they rest.
///
/// glibc keeps up to 64 MB of freed memory for every thread that has once freed large buffers, and libssh's buffers are large.
struct HeapRest {
    /// How long nothing moves before that. *Units:* seconds.
    static let quiet = 5.0
    /// Less is not worth the look. *Units:* bytes.
    static let worth: UInt64 = 1 << 20

    private var moved: UInt64 = 0
    /// When it is time; infinity while there is nothing to give back.
    private(set) var deadline = Double.infinity

    /// Connections have moved `bytes`.
    mutating func note(_ bytes: UInt64, at now: Double) {
        if bytes == 0 { return }
        moved &+= bytes
        if moved >= HeapRest.worth { deadline = now + HeapRest.quiet }
    }

    /// Gives back what is free, when it is time.
    mutating func look(at now: Double) {
        if now < deadline { return }
        self = HeapRest()
        cl_malloc_trim()
    }
}
