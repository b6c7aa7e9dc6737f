import CReadAhead

/// A buffer between a session's socket and libssh, so that one look at the socket takes all that is there.
///
/// Belongs to one thread, from which libssh's calls come. *Source:* `CReadAhead.h` says how and why.
struct ReadAhead: ~Copyable {
    private let handle: OpaquePointer

    /// What one read takes at most. *Units:* bytes.
    static let capacity = 512 << 10

    /// For what libssh reads from `socket`; nil where memory runs out.
    init?(_ socket: Int32) {
        guard let handle = read_ahead_open(socket, ReadAhead.capacity) else { return nil }
        self.handle = handle
    }

    deinit { read_ahead_close(handle) }

    /// epoll says that something came, or that nothing comes any more.
    func arrived(ended: Bool) { read_ahead_arrived(handle, ended ? 1 : 0) }

    /// Whether libssh has something left to take, as far as is known without asking the kernel.
    var isPending: Bool { read_ahead_pending(handle) != 0 }
}
