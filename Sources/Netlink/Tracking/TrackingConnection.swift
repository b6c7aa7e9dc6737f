import Glibc
public import MeshModel

/// Which connections the kernel tracks in one network namespace: that of the thread that first uses this.
///
/// *Source:* `linux/netfilter/nfnetlink_conntrack.h`. *Privilege:* CAP_NET_ADMIN.
public final class TrackingConnection: Sendable {
    private let connection: NetlinkConnection

    /// A connection that opens when it is first used.
    public init() {
        connection = NetlinkConnection(.netfilter)
    }

    /// As ``init()``, over a connection of the caller's making.
    public init(connection: NetlinkConnection) {
        self.connection = connection
    }

    /// The connections of both families that `isWanted` wants, at most `limit`: those whose ends are rewritten before others.
    ///
    /// A kernel without connection tracking has none.
    public func connections(
        limit: Int, where isWanted: (TrackedConnection) -> Bool
    ) throws(NetlinkError) -> (found: [TrackedConnection], isComplete: Bool) {
        var writer = NetlinkWriter()
        TrackingCodec.request(&writer)
        var found = Found()
        do throws(NetlinkError) {
            found = try connection.dump(&writer, "list tracked connections", into: Found()) {
                (list, message) throws(NetlinkError) in
                guard let one = try TrackingCodec.decode(message), isWanted(one) else { return }
                if one.isTranslated {
                    list.translated.append(one)
                } else if list.plain.count <= limit {
                    list.plain.append(one)
                }
            }
        } catch {
            // EINVAL: nobody in the kernel answers for connection tracking.
            let isAbsent =
                error.errno == EINVAL || error.errno == ENOENT || error.code == .unsupported
            if !isAbsent || Self.isTracking() { throw error }
        }
        let all = found.translated + found.plain
        return (Array(all.prefix(limit)), all.count <= limit)
    }

    private struct Found {
        var translated: [TrackedConnection] = []
        var plain: [TrackedConnection] = []
    }

    /// Whether connections are tracked all the same.
    private static func isTracking() -> Bool {
        access("/proc/sys/net/netfilter/nf_conntrack_count", F_OK) == 0
    }
}

/// Tracked connections as netlink messages.
///
/// *Shape:* struct nfgenmsg (u8 family, u8 version, u16 resource), then CTA_* attributes.
enum TrackingCodec {
    static let headerSize = 4
    /// NFNL_SUBSYS_CTNETLINK, and IPCTNL_MSG_CT_GET and _NEW.
    static let get: UInt16 = 1 << 8 | 1
    static let new: UInt16 = 1 << 8
    // CTA_TUPLE_ORIG, CTA_TUPLE_REPLY
    static let original: UInt16 = 1
    static let reply: UInt16 = 2
    // CTA_TUPLE_IP { CTA_IP_* }, CTA_TUPLE_PROTO { CTA_PROTO_* }
    static let addresses: UInt16 = 1
    static let ports: UInt16 = 2
    static let protocolNumber: UInt16 = 1
    static let sourcePort: UInt16 = 2
    static let destinationPort: UInt16 = 3

    static func request(_ writer: inout NetlinkWriter) {
        writer.start(type: get, flags: NetlinkFlags.request | NetlinkFlags.dump)
        // AF_UNSPEC: both families.
        writer.append(UInt32(0))
    }

    /// A connection, or nil for a protocol without ports.
    static func decode(_ message: NetlinkMessage) throws(NetlinkError) -> TrackedConnection? {
        guard message.type == new else { return nil }
        var there = Tuple()
        var back = Tuple()
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            case original: reader.nested { there.read(&$0) }
            case reply: reader.nested { back.read(&$0) }
            default: break
            }
        }
        try reader.check("read tracked connection")
        guard let number = there.number, let source = there.source,
            let destination = there.destination, let replySource = back.source,
            let replyDestination = back.destination
        else { return nil }
        return TrackedConnection(
            ipProtocol: number, source: source, destination: destination, replySource: replySource,
            replyDestination: replyDestination)
    }

    private struct Tuple {
        var number: UInt8?
        private var from: IPAddress?
        private var to: IPAddress?
        private var fromPort: UInt16?
        private var toPort: UInt16?

        var source: SocketEndpoint? { Self.end(from, fromPort) }
        var destination: SocketEndpoint? { Self.end(to, toPort) }

        private static func end(_ address: IPAddress?, _ port: UInt16?) -> SocketEndpoint? {
            guard let address, let port else { return nil }
            return SocketEndpoint(address, port)
        }

        mutating func read(_ reader: inout NetlinkReader) {
            var tuple = self
            while reader.next() {
                switch reader.type {
                case addresses:
                    reader.nested { inner in
                        while inner.next() {
                            switch inner.type {
                            // CTA_IP_V4_SRC and CTA_IP_V6_SRC, then the destinations.
                            case 1, 3: tuple.from = inner.address()
                            case 2, 4: tuple.to = inner.address()
                            default: break
                            }
                        }
                    }
                case ports:
                    reader.nested { inner in
                        while inner.next() {
                            switch inner.type {
                            case protocolNumber: tuple.number = inner.uint8()
                            case sourcePort: tuple.fromPort = UInt16(bigEndian: inner.uint16())
                            case destinationPort: tuple.toPort = UInt16(bigEndian: inner.uint16())
                            default: break
                            }
                        }
                    }
                default: break
                }
            }
            self = tuple
        }
    }
}
