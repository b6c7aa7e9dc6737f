/// Sockets of this thread's network namespace, as `/proc/net` lists them.
///
/// *Source:* proc_pid_net(5); states as in `net/tcp_states.h`.
public enum SocketList {
    /// A TCP socket: addresses of 4 or 16 bytes in network order.
    public struct Row: Sendable, Hashable {
        /// Its own address.
        public var localAddress: [UInt8]
        /// Its own port.
        public var localPort: UInt16
        /// The other end's address; zeros where it listens.
        public var remoteAddress: [UInt8]
        /// The other end's port; 0 where it listens.
        public var remotePort: UInt16
        /// The kernel's number of its state.
        public var state: UInt8
        /// Names the socket among all of the host.
        public var inode: UInt64

        /// TCP_LISTEN.
        public var isListening: Bool { state == 10 }
        /// TCP_ESTABLISHED.
        public var isEstablished: Bool { state == 1 }
    }

    /// The TCP sockets of both families with the local port `port`; all where it is nil.
    public static func tcp(port: UInt16?) throws(SystemError) -> [Row] {
        var rows: [Row] = []
        for file in ["tcp", "tcp6"] {
            // A kernel without IPv6 has no tcp6.
            let path = "/proc/thread-self/net/\(file)"
            rows += parse(try Files.readIfPresent(path, limit: 1 << 28) ?? [], port: port)
        }
        return rows
    }

    /// Inodes of the unix sockets that are bound to `path`.
    public static func unix(path: String) -> [UInt64] {
        let bytes = (try? Files.read("/proc/thread-self/net/unix")) ?? []
        // `0000000000000000: 00000002 00000000 00010000 0001 01 23456 /run/x`
        return bytes.split(separator: 10).compactMap { line in
            let fields = line.split(separator: 32, maxSplits: 7)
            guard fields.count > 7, fields[7].elementsEqual(path.utf8) else { return nil }
            return UInt64(String(decoding: fields[6], as: UTF8.self))
        }
    }

    /// The lines of `text` whose local port is `port`; all where it is nil.
    public static func parse(_ text: [UInt8], port: UInt16?) -> [Row] {
        // `  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …`
        let needle = port.map { port in
            let digits = String(port, radix: 16, uppercase: true)
            return Array(":\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
        }
        return text.split(separator: 10).compactMap { line in
            let fields = line.split(separator: 32, maxSplits: 10)
            guard fields.count > 9,
                needle.map({ fields[1].suffix(5).elementsEqual($0) }) ?? true,
                let local = endpoint(fields[1]), let remote = endpoint(fields[2]),
                let state = number(fields[3]), state < 256,
                let inode = UInt64(String(decoding: fields[9], as: UTF8.self))
            else { return nil }
            return Row(
                localAddress: local.address, localPort: local.port, remoteAddress: remote.address,
                remotePort: remote.port, state: UInt8(state), inode: inode)
        }
    }

    /// Address and port. The kernel prints an address as 32-bit words of its own byte order, and a port as a number.
    private static func endpoint(
        _ field: ArraySlice<UInt8>
    ) -> (address: [UInt8], port: UInt16)? {
        let parts = field.split(separator: UInt8(ascii: ":"))
        guard parts.count == 2, parts[0].count == 8 || parts[0].count == 32,
            let port = number(parts[1]).flatMap({ UInt16(exactly: $0) })
        else { return nil }
        var bytes: [UInt8] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = number(rest.prefix(8)) else { return nil }
            withUnsafeBytes(of: word) { bytes += $0 }
            rest = rest.dropFirst(8)
        }
        return (bytes, port)
    }

    /// A number in hexadecimal, of eight digits at most.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
        guard (1...8).contains(digits.count) else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            switch digit {
            case 48...57: value = value << 4 | UInt32(digit - 48)
            case 65...70: value = value << 4 | UInt32(digit - 55)
            case 97...102: value = value << 4 | UInt32(digit - 87)
            default: return nil
            }
        }
        return value
    }
}
