import MeshModel

/// Routes as netlink messages.
///
/// *Shape:* struct rtmsg (u8 family, destination length, source length, tos, table, protocol, scope, type; u32 flags),
/// then RTA_* attributes. *Source:* `linux/rtnetlink.h`.
enum RouteCodec {
    static let headerSize = 12
    // RTA_*
    static let destination: UInt16 = 1
    static let lookupSource: UInt16 = 2
    static let outInterface: UInt16 = 4
    static let gateway: UInt16 = 5
    static let priority: UInt16 = 6
    static let preferredSource: UInt16 = 7
    static let metrics: UInt16 = 8
    static let multipath: UInt16 = 9
    static let table: UInt16 = 15
    static let mark: UInt16 = 16
    static let via: UInt16 = 18
    static let uid: UInt16 = 25
    static let ipProtocol: UInt16 = 27
    static let sourcePort: UInt16 = 28
    static let destinationPort: UInt16 = 29
    /// RTAX_MTU, inside RTA_METRICS.
    static let metricMTU: UInt16 = 2
    // RTM_F_*
    static let cloned: UInt32 = 0x200
    static let lookupTable: UInt32 = 0x1000
    static let fibMatch: UInt32 = 0x2000
    // RT_SCOPE_*
    static let scopeUniverse: UInt8 = 0
    static let scopeLink: UInt8 = 253
    static let scopeHost: UInt8 = 254
    static let scopeNowhere: UInt8 = 255

    // MARK: Reading

    /// A route, or nil for a message that is none, of another family, or of the kernel's cache.
    static func decode(_ message: NetlinkMessage) throws(NetlinkError) -> Route? {
        guard message.type == RouteMessage.newRoute, message.payload.count >= headerSize,
            let family = KernelFamily.family(message.uint8(at: 0)),
            message.uint32(at: 8) & cloned == 0
        else { return nil }
        return try decode(message, family)
    }

    /// As ``decode(_:)``, with what the kernel has in its cache.
    static func decode(_ message: NetlinkMessage, _ family: IPAddress.Family) throws(NetlinkError)
        -> Route
    {
        var target = IPAddress(family: family, high: 0, low: 0)
        guard let start = IPPrefix(target, length: Int(message.uint8(at: 1))) else {
            throw .malformed("read route", "", "a destination of \(message.uint8(at: 1)) bits")
        }
        var route = Route(
            destination: start, table: UInt32(message.uint8(at: 4)),
            routeProtocol: message.uint8(at: 5), kind: Route.Kind(number: message.uint8(at: 7)))
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            case destination: target = reader.address() ?? target
            case outInterface: route.interfaceIndex = reader.int32()
            case gateway: route.gateway = reader.address()
            case via: route.gateway = viaAddress(&reader)
            case priority: route.metric = reader.uint32()
            case preferredSource: route.source = reader.address()
            case metrics: route.mtu = mtu(&reader)
            case multipath: route.nexthops = nexthops(&reader)
            case table: route.table = reader.uint32()
            default: break
            }
        }
        try reader.check("read route")
        guard target.family == family, let prefix = IPPrefix(target, length: Int(start.length))
        else {
            throw .malformed("read route", "", "a destination that does not fit its family")
        }
        route.destination = prefix
        return route
    }

    private static func mtu(_ reader: inout NetlinkReader) -> UInt32? {
        var mtu: UInt32?
        reader.nested { inner in
            while inner.next() {
                if inner.type == metricMTU { mtu = inner.uint32() }
            }
        }
        return mtu
    }

    /// RTA_VIA: u16 address family, then the address; a gateway of the other family.
    private static func viaAddress(_ reader: inout NetlinkReader) -> IPAddress? {
        let value = reader.value
        guard value.count > 2,
            let address = NetlinkReader.address(UnsafeRawBufferPointer(rebasing: value[2...]))
        else {
            reader.fail("a gateway of \(value.count) bytes")
            return nil
        }
        return address
    }

    /// RTA_MULTIPATH: a row of struct rtnexthop (u16 length, u8 flags, u8 weight less one, i32 interface), each with
    /// its own attributes.
    private static func nexthops(_ reader: inout NetlinkReader) -> [Route.Nexthop] {
        let value = reader.value
        var found: [Route.Nexthop] = []
        var offset = 0
        while offset < value.count {
            let left = value.count - offset
            let length =
                left >= 8 ? Int(value.loadUnaligned(fromByteOffset: offset, as: UInt16.self)) : 0
            guard length >= 8, length <= left else {
                reader.fail("a next hop of \(length) bytes where \(left) are left")
                return []
            }
            var hop = Route.Nexthop(
                interfaceIndex: value.loadUnaligned(fromByteOffset: offset + 4, as: Int32.self),
                gateway: nil, weight: UInt16(value[offset + 3]) + 1)
            var inner = NetlinkReader(
                UnsafeRawBufferPointer(rebasing: value[offset..<(offset + length)]), from: 8)
            while inner.next() {
                switch inner.type {
                case gateway: hop.gateway = inner.address()
                case via: hop.gateway = viaAddress(&inner)
                default: break
                }
            }
            if let failure = inner.failure {
                reader.fail(failure)
                return []
            }
            found.append(hop)
            offset += (length + 3) & ~3
        }
        return found
    }

    // MARK: Writing

    /// A route to add; to delete one, its scope is left open.
    static func encode(_ writer: inout NetlinkWriter, _ route: Route, deleting: Bool = false) {
        let family = route.destination.address.family
        writer.append(KernelFamily.of(family))
        writer.append(route.destination.length)
        writer.append(UInt16(0))
        // A table above 255 stands in RTA_TABLE alone (RT_TABLE_UNSPEC here).
        writer.append(route.table < 256 ? UInt8(route.table) : 0)
        writer.append(route.routeProtocol)
        writer.append(deleting ? scopeNowhere : scope(route))
        writer.append(route.kind.number)
        writer.append(UInt32(0))
        if route.destination.length > 0 {
            writer.put(destination, route.destination.network.address)
        }
        if route.table >= 256 { writer.put(table, route.table) }
        if let index = route.interfaceIndex { writer.put(outInterface, index) }
        if let router = route.gateway { put(&writer, router, family) }
        if route.metric != 0 { writer.put(priority, route.metric) }
        if let source = route.source { writer.put(preferredSource, source) }
        if let mtu = route.mtu { writer.nested(metrics) { $0.put(metricMTU, mtu) } }
        if !route.nexthops.isEmpty {
            let mark = writer.begin(multipath)
            for hop in route.nexthops { put(&writer, hop, family) }
            writer.end(mark)
        }
    }

    private static func put(
        _ writer: inout NetlinkWriter, _ hop: Route.Nexthop, _ family: IPAddress.Family
    ) {
        // struct rtnexthop begins like an attribute: u16 length, then the type's place holds flags and weight.
        let mark = writer.begin(UInt16(min(max(hop.weight, 1), 256) - 1) << 8)
        writer.append(hop.interfaceIndex)
        if let router = hop.gateway { put(&writer, router, family) }
        writer.end(mark)
    }

    private static func put(
        _ writer: inout NetlinkWriter, _ router: IPAddress, _ family: IPAddress.Family
    ) {
        if router.family == family {
            writer.put(gateway, router)
        } else {
            let mark = writer.begin(via)
            writer.append(UInt16(KernelFamily.of(router.family)))
            for byte in router.bytes { writer.append(byte) }
            writer.end(mark)
            // A router's IPv6 address leaves the message at a multiple of two only.
            writer.align()
        }
    }

    private static func scope(_ route: Route) -> UInt8 {
        // The scope that iproute2 chooses too: IPv6 ignores it.
        switch route.kind {
        case .local: scopeHost
        case .unicast where route.gateway == nil && route.nexthops.isEmpty: scopeLink
        default: scopeUniverse
        }
    }
}
