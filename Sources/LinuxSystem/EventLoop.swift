import CLinux
import Glibc

/// Readiness of many descriptors for one thread. *Source:* `epoll(7)`, level-triggered.
public struct EventLoop: ~Copyable {
    private let epoll: Descriptor

    /// One ready descriptor.
    public struct Event: Sendable {
        /// The token given at ``add(_:token:reading:writing:)``.
        public let token: UInt64
        /// Data, end of stream or a waiting connection.
        public let readable: Bool
        /// Room to write.
        public let writable: Bool
        /// Hung up or in error.
        public let closed: Bool
    }

    /// An empty set.
    public init() throws(SystemError) {
        epoll = Descriptor(owning: try check("epoll_create1") { cl_epoll_create() })
    }

    /// Watches `fd`. It must be removed before it is closed, or closed with its last duplicate.
    public func add(
        _ fd: Int32, token: UInt64, reading: Bool = true, writing: Bool = false
    ) throws(SystemError) {
        try control(Int32(CL_EPOLL_ADD), fd, token, reading, writing)
    }

    /// Changes what is watched.
    public func modify(
        _ fd: Int32, token: UInt64, reading: Bool, writing: Bool
    ) throws(SystemError) {
        try control(Int32(CL_EPOLL_MODIFY), fd, token, reading, writing)
    }

    /// Stops watching; a descriptor that is not watched is no error.
    public func remove(_ fd: Int32) {
        _ = cl_epoll_control(epoll.number, Int32(CL_EPOLL_REMOVE), fd, 0, 0)
    }

    /// Waits for events; empty after `milliseconds` (-1 waits for ever).
    public func wait(milliseconds: Int32) throws(SystemError) -> [Event] {
        var events = [UInt32](repeating: 0, count: 64)
        var tokens = [UInt64](repeating: 0, count: 64)
        let number = epoll.number
        let count = try check("epoll_wait") {
            cl_epoll_wait(number, &events, &tokens, 64, milliseconds)
        }
        return (0..<Int(count)).map { index in
            let flags = events[index]
            return Event(
                token: tokens[index],
                readable: flags & UInt32(CL_EPOLL_IN) != 0,
                writable: flags & UInt32(CL_EPOLL_OUT) != 0,
                closed: flags & UInt32(CL_EPOLL_HANGUP | CL_EPOLL_ERROR) != 0)
        }
    }

    private func control(
        _ operation: Int32, _ fd: Int32, _ token: UInt64, _ reading: Bool, _ writing: Bool
    ) throws(SystemError) {
        let flags = (reading ? UInt32(CL_EPOLL_IN) : 0) | (writing ? UInt32(CL_EPOLL_OUT) : 0)
        let number = epoll.number
        try check("epoll_ctl") { cl_epoll_control(number, operation, fd, flags, token) }
    }
}
