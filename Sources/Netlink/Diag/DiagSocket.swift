public import MeshModel

/// A TCP, UDP or MPTCP socket as the kernel tells it.
public struct DiagSocket: Codable, Sendable, Hashable {
    /// What is spoken over it.
    public enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        /// TCP; the parts of an MPTCP connection too.
        case tcp
        /// UDP.
        case udp
        /// Multipath TCP.
        case mptcp
    }

    /// What is spoken over it.
    public var kind: Kind
    /// The kernel's number of its state. *Source:* `net/tcp_states.h`.
    public var state: UInt8
    /// Its own address and port.
    public var local: SocketEndpoint
    /// The other end's; nil where it has none.
    public var remote: SocketEndpoint?
    /// The interface that it is bound to, or 0.
    public var interfaceIndex: Int32
    /// The user who made it; root too for one that no process has.
    public var user: UInt32
    /// Names the socket among all of the host; 0 for one that no process has.
    public var inode: UInt64
    /// Whether an IPv6 one takes IPv6 alone.
    public var isIPv6Only: Bool
    /// Its firewall mark. *Privilege:* told to CAP_NET_ADMIN only, else 0.
    public var mark: UInt32

    /// Whether it waits for what comes: a listener, or a UDP socket that is not connected.
    public var isListening: Bool {
        kind == .udp ? remote == nil : state == DiagState.listen
    }

    /// Whether all of it is said and nobody has it any more: like TIME_WAIT only a port that is kept free, which the kernel
    /// tells as FIN_WAIT2.
    var isOver: Bool { kind == .tcp && state == DiagState.halfClosed && inode == 0 }

    /// Whether it has asked, or was asked, for a connection that does not stand yet.
    public var isConnecting: Bool { kind != .udp && DiagState.opening.contains(state) }
}

/// A unix socket that listens.
public struct DiagUnixSocket: Codable, Sendable, Hashable {
    /// Its path; one without a file begins with `@`.
    public var path: String
    /// Names the socket among all of the host.
    public var inode: UInt64
}

/// States of sockets. *Source:* `net/tcp_states.h`.
enum DiagState {
    static let established: UInt8 = 1
    /// SYN_SENT, SYN_RECV and NEW_SYN_RECV.
    static let opening: Set<UInt8> = [2, 3, 12]
    static let halfClosed: UInt8 = 5
    static let timeWait: UInt8 = 6
    static let closed: UInt8 = 7
    static let listen: UInt8 = 10
    /// The last that the kernel has for connections: a request that is not taken yet.
    static let requested: UInt8 = 12

    /// As a bit mask: all but what is over. TIME_WAIT is no socket any more, only a port that is kept free.
    static let connections: UInt32 =
        (established...requested).reduce(0) { $0 | 1 << UInt32($1) }
        & ~(1 << UInt32(timeWait) | 1 << UInt32(closed))
    /// As a bit mask: a UDP socket is connected or, in the kernel's words, closed.
    static let datagrams: UInt32 = 1 << UInt32(established) | 1 << UInt32(closed)
}
