import MeshModel

/// Sockets as netlink messages.
///
/// *Shape of a request:* u8 family, u8 protocol, u8 extensions, u8 padding, u32 states, then a socket's identity: u16
/// source port, u16 destination port, 16 bytes source, 16 bytes destination (ports and addresses in network order),
/// u32 interface, u64 cookie; then INET_DIAG_REQ_* attributes. *Shape of a reply:* u8 family, state, timer,
/// retransmissions, the identity, u32 expiry, two queues, user and inode; then INET_DIAG_* attributes.
/// *Source:* `linux/inet_diag.h`, struct inet_diag_req_v2 and inet_diag_msg; `linux/unix_diag.h`.
enum DiagCodec {
    /// SOCK_DIAG_BY_FAMILY.
    static let byFamily: UInt16 = 20
    static let headerSize = 72
    static let unixHeaderSize = 16
    /// INET_DIAG_REQ_PROTOCOL: a protocol's number that does not fit in a byte.
    static let requestProtocol: UInt16 = 3
    // INET_DIAG_*
    static let ipv6Only: UInt16 = 11
    static let mark: UInt16 = 15
    /// IPPROTO_MPTCP.
    static let multipath: UInt32 = 262
    /// IPPROTO_RAW, which is what stands in the byte then.
    static let raw: UInt8 = 255
    /// AF_UNIX.
    static let unix: UInt8 = 1
    /// UNIX_DIAG_NAME; UDIAG_SHOW_NAME asks for it.
    static let unixName: UInt16 = 0
    static let showName: UInt32 = 1

    static func request(
        _ writer: inout NetlinkWriter, _ kind: DiagSocket.Kind, _ family: IPAddress.Family
    ) {
        writer.start(type: byFamily, flags: NetlinkFlags.request | NetlinkFlags.dump)
        writer.append(KernelFamily.of(family))
        switch kind {
        case .tcp: writer.append(UInt8(6))
        case .udp: writer.append(UInt8(17))
        case .mptcp: writer.append(raw)
        }
        writer.append(UInt16(0))
        writer.append(kind == .udp ? DiagState.datagrams : DiagState.connections)
        // Every socket: an identity of zeros.
        for _ in 0..<6 { writer.append(UInt64(0)) }
        if kind == .mptcp { writer.put(requestProtocol, multipath) }
    }

    static func decode(
        _ message: NetlinkMessage, _ kind: DiagSocket.Kind
    ) throws(NetlinkError) -> DiagSocket? {
        guard message.type == byFamily, let family = KernelFamily.family(message.uint8(at: 0))
        else { return nil }
        var reader = message.attributes(after: headerSize)
        try reader.check("read socket")
        let local = address(message, at: 8, family)
        let remote = address(message, at: 24, family)
        let remotePort = UInt16(bigEndian: message.uint16(at: 6))
        let state = message.uint8(at: 1)
        let hasRemote = state != DiagState.listen && (remotePort != 0 || !remote.isUnspecified)
        var socket = DiagSocket(
            kind: kind, state: state,
            local: SocketEndpoint(local, UInt16(bigEndian: message.uint16(at: 4))),
            remote: hasRemote ? SocketEndpoint(remote, remotePort) : nil,
            interfaceIndex: message.int32(at: 40), user: message.uint32(at: 64),
            inode: UInt64(message.uint32(at: 68)), isIPv6Only: false, mark: 0)
        while reader.next() {
            switch reader.type {
            case ipv6Only: socket.isIPv6Only = reader.uint8() != 0
            case mark: socket.mark = reader.uint32()
            default: break
            }
        }
        try reader.check("read socket")
        return socket
    }

    /// What a socket of both families has with an IPv4 host goes over IPv4: `::ffff:192.0.2.1` is told as `192.0.2.1`.
    private static func address(
        _ message: NetlinkMessage, at offset: Int, _ family: IPAddress.Family
    ) -> IPAddress {
        func word(_ index: Int) -> UInt64 {
            UInt64(UInt32(bigEndian: message.uint32(at: offset + 4 * index)))
        }
        if family == .ipv4 { return IPAddress(ipv4: UInt32(word(0))) }
        let high = word(0) << 32 | word(1)
        let low = word(2) << 32 | word(3)
        // *Source:* RFC 4291, 2.5.5.2.
        if high == 0, low >> 32 == 0xffff { return IPAddress(ipv4: UInt32(low & 0xffff_ffff)) }
        return IPAddress(family: .ipv6, high: high, low: low)
    }

    // MARK: Unix sockets

    /// *Shape:* u8 family, u8 protocol, u16 padding, u32 states, inode and what to show, u64 cookie.
    static func requestUnix(_ writer: inout NetlinkWriter) {
        writer.start(type: byFamily, flags: NetlinkFlags.request | NetlinkFlags.dump)
        writer.append(UInt32(unix))
        writer.append(UInt32(1) << UInt32(DiagState.listen))
        writer.append(UInt32(0))
        writer.append(showName)
        writer.append(UInt64(0))
    }

    /// *Shape:* u8 family, type, state, padding, u32 inode, u64 cookie; then UNIX_DIAG_* attributes.
    static func decodeUnix(_ message: NetlinkMessage) throws(NetlinkError) -> DiagUnixSocket? {
        guard message.type == byFamily, message.uint8(at: 0) == unix,
            message.uint8(at: 2) == DiagState.listen
        else { return nil }
        var path: String?
        var reader = message.attributes(after: unixHeaderSize)
        while reader.next() {
            if reader.type == unixName { path = name(reader.value) }
        }
        try reader.check("read unix socket")
        return path.map { DiagUnixSocket(path: $0, inode: UInt64(message.uint32(at: 4))) }
    }

    /// A name that begins with a zero byte has no file; its zero bytes are told as `@`, as elsewhere.
    private static func name(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard let first = bytes.first else { return nil }
        if first != 0 { return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        return String(decoding: bytes.map { $0 == 0 ? 64 : $0 }, as: UTF8.self)
    }
}
