import CLinux
import CMnl
import Glibc
public import LinuxSystem

/// A netlink socket of libmnl, in the network namespace of the thread that opens it.
///
/// *Source:* libmnl's `socket.c` interface; `netlink(7)`.
public final class NetlinkSocket: NetlinkTransport, @unchecked Sendable {
    // The handle is used by one thread at a time: the connection's lock, or the monitor's owner, sees to that.
    private let handle: OpaquePointer
    /// The port the kernel chose for us.
    public let port: UInt32
    /// What the kernel takes in one message: its send buffer, or what a nested attribute can hold.
    public let messageLimit: Int

    /// The netlink families we speak.
    public enum Family: Int32, Sendable {
        /// Links, addresses, routes, rules.
        case route = 0
        /// Sockets of other protocols: sock_diag.
        case diagnosis = 4
        /// Connection tracking.
        case netfilter = 12
        /// Everything with a name, WireGuard among it.
        case generic = 16
    }

    /// Opens and binds a socket; the kernel chooses the port.
    ///
    /// - Parameters:
    ///   - groups: a bit mask of the multicast groups to listen to.
    ///   - timeout: how long ``receive(into:)`` waits. *Units:* seconds.
    public init(_ family: Family, groups: UInt32 = 0, timeout: Int = 10) throws(SystemError) {
        guard let handle = mnl_socket_open2(family.rawValue, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw SystemError("open netlink socket", "\(family)", errno: errno)
        }
        if mnl_socket_bind(handle, groups, 0) < 0 {
            let code = errno
            mnl_socket_close(handle)
            throw SystemError("bind netlink socket", "\(family)", errno: code)
        }
        self.handle = handle
        port = mnl_socket_get_portid(handle)
        let fd = mnl_socket_get_fd(handle)
        // What an older kernel does not know it does without: NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK.
        for option: Int32 in [10, 11, 12] {
            var on: Int32 = 1
            _ = mnl_socket_setsockopt(handle, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        var size: Int32 = 1 << 20
        let length = socklen_t(MemoryLayout<Int32>.size)
        // Above the system's limit with privilege, up to it without.
        if setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) < 0 {
            _ = setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
        var wait = timeval(tv_sec: timeout, tv_usec: 0)
        _ = setsockopt(
            fd, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        var sendSize: Int32 = 0
        var sendLength = length
        let known = getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sendSize, &sendLength) == 0
        // netlink_sendmsg refuses a message larger than the send buffer less 32 bytes.
        let sendLimit = known ? Int(sendSize) - 32 : 8192
        messageLimit = max(min(sendLimit, NetlinkWriter.attributeLimit), 4096)
    }

    deinit {
        mnl_socket_close(handle)
    }

    /// The descriptor, to wait on; it stays the socket's.
    public var descriptor: Int32 { mnl_socket_get_fd(handle) }

    /// Makes ``receive(into:)`` return at once where nothing waits.
    func setNonBlocking() {
        let fd = descriptor
        _ = cl_fcntl(fd, F_SETFL, cl_fcntl(fd, F_GETFL, 0) | O_NONBLOCK)
    }

    /// Sends one message.
    public func send(_ message: UnsafeRawBufferPointer) throws(SystemError) {
        guard mnl_socket_sendto(handle, message.baseAddress, message.count) >= 0 else {
            throw SystemError("send netlink message", "", errno: errno)
        }
    }

    /// Receives one datagram.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        let size = mnl_socket_recvfrom(handle, buffer.baseAddress, buffer.count)
        guard size >= 0 else { throw SystemError("receive netlink message", "", errno: errno) }
        return size
    }
}
