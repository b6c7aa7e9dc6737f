import Glibc
import LinuxSystem
import MeshModel

/// The TCP sockets of this network namespace, as `/proc/net/tcp` and `tcp6` list them.
///
/// *Source:* proc_pid_net(5); states as in `net/tcp_states.h`.
struct SocketTable {
    /// One line.
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
        var rows: [Row] = []
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // A kernel without IPv6 has no tcp6.
            rows += parse(try Files.readIfPresent(file, limit: 1 << 28) ?? [], port: port)
        }
        return SocketTable(rows: rows)
    }

    /// The lines of `text` whose local port is `port`; all where it is nil.
    static func parse(_ text: [UInt8], port: UInt16?) -> [Row] {
        // `  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …`
        let needle = port.map { port in
            Array(":\(Base64.hex([UInt8(port >> 8), UInt8(port & 255)]).uppercased())".utf8)
        }
        return text.split(separator: 10).compactMap { line in
            let fields = line.split(separator: 32, maxSplits: 10)
            guard fields.count > 9,
                needle.map({ fields[1].suffix(5).elementsEqual($0) }) ?? true,
                let local = endpoint(fields[1]), let remote = endpoint(fields[2]),
                let state = UInt8(String(decoding: fields[3], as: UTF8.self), radix: 16),
                let inode = UInt64(String(decoding: fields[9], as: UTF8.self))
            else { return nil }
            return Row(local: local, remote: remote, state: state, inode: inode)
        }
    }

    /// Address and port. The kernel prints an address as 32-bit words of its own byte order, and a port as a number.
    private static func endpoint(_ field: ArraySlice<UInt8>) -> SocketEndpoint? {
        let parts = field.split(separator: UInt8(ascii: ":"))
        guard parts.count == 2,
            let words = Base64.unhex(String(decoding: parts[0], as: UTF8.self).lowercased()),
            words.count % 4 == 0,
            let port = UInt16(String(decoding: parts[1], as: UTF8.self), radix: 16)
        else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: words.count, by: 4) {
            let word = words[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            withUnsafeBytes(of: word) { bytes += $0 }
        }
        return IPAddress(bytes: bytes).map { SocketEndpoint($0, port) }
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
