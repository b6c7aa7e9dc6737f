import CLinux
import Glibc

/// Readiness of many descriptors for one thread. *Source:* `epoll(7)`, level-triggered unless asked otherwise.
public struct EventLoop: ~Copyable, Sendable {
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
        /// The peer sends no more, or it is ``closed``; only told after ``EventLoop/addEdges(_:token:)``.
        public let ended: Bool
    }

    private static let closed = UInt32(CL_EPOLL_HANGUP | CL_EPOLL_ERROR)

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

    /// Watches `fd` for changes in both directions: an event says that something came, or that room was made, once.
    ///
    /// The caller remembers that `fd` is ready until a call says EAGAIN or moves less than was asked for (the end of
    /// the stream is told by ``Event/ended``), and never has to say what it waits for.
    public func addEdges(_ fd: Int32, token: UInt64) throws(SystemError) {
        let flags = UInt32(CL_EPOLL_IN | CL_EPOLL_OUT | CL_EPOLL_PEER_CLOSED) | CL_EPOLL_EDGE
        let number = epoll.number
        try check("epoll_ctl") { cl_epoll_control(number, Int32(CL_EPOLL_ADD), fd, flags, token) }
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
        var events: [Event] = []
        try wait(milliseconds: milliseconds) { events.append($0) }
        return events
    }

    /// As ``wait(milliseconds:)``, but hands the events over one by one and makes nothing on the heap.
    public func wait(milliseconds: Int32, _ body: (Event) -> Void) throws(SystemError) {
        let number = epoll.number
        let capacity = 64
        let failure = withUnsafeTemporaryAllocation(of: UInt32.self, capacity: capacity) {
            events -> SystemError? in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: capacity) { tokens in
                let count: Int32
                do throws(SystemError) {
                    count = try check("epoll_wait") {
                        cl_epoll_wait(
                            number, events.baseAddress, tokens.baseAddress, Int32(capacity),
                            milliseconds)
                    }
                } catch { return error }
                for index in 0..<Int(count) {
                    let flags = events[index]
                    body(
                        Event(
                            token: tokens[index], readable: flags & UInt32(CL_EPOLL_IN) != 0,
                            writable: flags & UInt32(CL_EPOLL_OUT) != 0,
                            closed: flags & EventLoop.closed != 0,
                            ended: flags & (EventLoop.closed | UInt32(CL_EPOLL_PEER_CLOSED)) != 0))
                }
                return nil
            }
        }
        if let failure { throw failure }
    }

    private func control(
        _ operation: Int32, _ fd: Int32, _ token: UInt64, _ reading: Bool, _ writing: Bool
    ) throws(SystemError) {
        let flags = (reading ? UInt32(CL_EPOLL_IN) : 0) | (writing ? UInt32(CL_EPOLL_OUT) : 0)
        let number = epoll.number
        try check("epoll_ctl") { cl_epoll_control(number, operation, fd, flags, token) }
    }
}
