import LinuxSystem
import MeshModel

/// The TCP sockets of this network namespace, as ``SocketList`` reads them, with addresses as values.
struct SocketTable {
    /// One socket.
    struct Row: Equatable {
        var local: SocketEndpoint
        var remote: SocketEndpoint
        var state: UInt8
        var inode: UInt64

        /// TCP_LISTEN.
        var isListening: Bool { state == 10 }
        /// TCP_ESTABLISHED.
        var isEstablished: Bool { state == 1 }
    }

    let rows: [Row]

    /// The sockets with the local port `port`; all where it is nil.
    static func read(port: UInt16?) throws(SystemError) -> SocketTable {
        SocketTable(rows: try SocketList.tcp(port: port).compactMap(row))
    }

    /// The lines of `text` whose local port is `port`; all where it is nil.
    static func parse(_ text: [UInt8], port: UInt16?) -> [Row] {
        SocketList.parse(text, port: port).compactMap(row)
    }

    private static func row(_ found: SocketList.Row) -> Row? {
        guard let local = IPAddress(bytes: found.localAddress),
            let remote = IPAddress(bytes: found.remoteAddress)
        else { return nil }
        return Row(
            local: SocketEndpoint(local, found.localPort),
            remote: SocketEndpoint(remote, found.remotePort), state: found.state,
            inode: found.inode)
    }

    /// The addresses of those that listen.
    var listening: Set<IPAddress> {
        Set(rows.filter(\.isListening).map(\.local.address))
    }

    /// The listening sockets that stand in the way of listening at one of `addresses`.
    func obstacles(for addresses: some Sequence<IPAddress>) -> [Row] {
        rows.filter(\.isListening).filter { row in
            addresses.contains { address in
                let there = row.local.address
                if there == address { return true }
                // `::` may or may not be for IPv4 too; only the kernel knows, so the same family has to do.
                return there.family == address.family
                    && (there.isUnspecified || address.isUnspecified)
            }
        }
    }
}
