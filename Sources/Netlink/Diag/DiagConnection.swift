import Glibc
import MeshModel

/// Which sockets there are in one network namespace: that of the thread that first uses this.
///
/// *Source:* `sock_diag(7)`. *Privilege:* marks are told to CAP_NET_ADMIN only.
public final class DiagConnection: Sendable {
    private let connection: NetlinkConnection

    /// A connection that opens when it is first used.
    public init() {
        connection = NetlinkConnection(.diagnosis)
    }

    /// As ``init()``, over a connection of the caller's making.
    public init(connection: NetlinkConnection) {
        self.connection = connection
    }

    /// Every TCP, UDP and MPTCP socket that listens, or is or was connected and is not over; both families.
    ///
    /// The first part of an MPTCP socket is a TCP socket of the same ends, with the same inode or none: it is told once, as
    /// MPTCP. Parts that go another way are told as TCP too.
    public func sockets() throws(NetlinkError) -> [DiagSocket] {
        let multipath = try sockets(.mptcp)
        let whole = Dictionary(
            multipath.map { (Ends($0), [$0.inode, 0]) }, uniquingKeysWith: { $0 + $1 })
        let single = try sockets(.tcp).filter { whole[Ends($0)]?.contains($0.inode) != true }
        return try single + multipath + sockets(.udp)
    }

    /// Every unix socket that listens.
    public func unixListeners() throws(NetlinkError) -> [DiagUnixSocket] {
        var writer = NetlinkWriter()
        DiagCodec.requestUnix(&writer)
        return try connection.dump(&writer, "list sockets", "unix", into: []) {
            (list, message) throws(NetlinkError) in
            if let socket = try DiagCodec.decodeUnix(message) { list.append(socket) }
        }
    }

    private struct Ends: Hashable {
        let local: SocketEndpoint
        let remote: SocketEndpoint?

        init(_ socket: DiagSocket) {
            local = socket.local
            remote = socket.remote
        }
    }

    private func sockets(_ kind: DiagSocket.Kind) throws(NetlinkError) -> [DiagSocket] {
        var all: [DiagSocket] = []
        for family in [IPAddress.Family.ipv4, .ipv6] {
            var writer = NetlinkWriter()
            DiagCodec.request(&writer, kind, family)
            do throws(NetlinkError) {
                all += try connection.dump(&writer, "list sockets", kind.rawValue, into: []) {
                    (list, message) throws(NetlinkError) in
                    if let socket = try DiagCodec.decode(message, kind), !socket.isOver {
                        list.append(socket)
                    }
                }
            } catch {
                // A kernel without MPTCP, or without IPv6, has no such sockets. Without its half of sock_diag for TCP or
                // UDP it may well have them.
                let isAbsent = error.errno == ENOENT || error.code == .unsupported
                if !isAbsent || (kind != .mptcp && family == .ipv4) { throw error }
            }
        }
        return all
    }
}
