public import MeshModel

/// Links, addresses, routes and rules of one network namespace.
///
/// It belongs to the namespace of the thread that first uses it, and is used from one thread at a time; a lock makes sure.
/// Removing what is not there and adding what is there already are fine, except for ``createLink(name:kind:group:)``.
///
/// *Source:* `rtnetlink(7)`. *Privilege:* reading needs none, changing needs CAP_NET_ADMIN.
public final class RouteSocket: Sendable {
    let connection: NetlinkConnection

    /// A socket that opens when it is first used.
    public init() {
        connection = NetlinkConnection(.route)
    }

    /// As ``init()``, over a connection of the caller's making.
    public init(connection: NetlinkConnection) {
        self.connection = connection
    }

    // MARK: Links

    /// All links.
    public func links() throws(NetlinkError) -> [Link] {
        var writer = NetlinkWriter()
        writer.start(type: RouteMessage.getLink, flags: NetlinkFlags.request | NetlinkFlags.dump)
        LinkCodec.header(&writer)
        writer.put(LinkCodec.extensionMask, LinkCodec.skipStatistics)
        return try connection.dump(&writer, "list links", into: []) {
            (list, message) throws(NetlinkError) in
            if let link = try LinkCodec.decode(message) { list.append(link) }
        }
    }

    /// The link of that name, or nil where there is none.
    public func link(named name: String) throws(NetlinkError) -> Link? {
        guard (1...15).contains(name.utf8.count) else { return nil }
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.getLink, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        LinkCodec.header(&writer)
        writer.put(LinkCodec.name, name)
        writer.put(LinkCodec.extensionMask, LinkCodec.skipStatistics)
        var found: Link?
        do throws(NetlinkError) {
            try connection.request(&writer, "read link", name) { (message) throws(NetlinkError) in
                found = try LinkCodec.decode(message) ?? found
            }
        } catch {
            if error.code == .missing { return nil }
            throw error
        }
        return found
    }

    /// Makes a link of a kind (`wireguard`, …), down, in a group; the kernel loads the kind's module.
    ///
    /// *Throws:* `exists` where the name is taken, `unsupported` where the kernel has no such kind.
    public func createLink(name: String, kind: String, group: UInt32) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.newLink,
            flags: NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.create
                | NetlinkFlags.exclusive)
        LinkCodec.header(&writer)
        writer.put(LinkCodec.name, name)
        writer.put(LinkCodec.group, group)
        writer.nested(LinkCodec.info) { $0.put(LinkCodec.infoKind, kind) }
        try connection.request(&writer, "create \(kind) link", name)
    }

    /// Removes a link with all that hangs on it. *Idempotency:* a missing one is fine.
    public func deleteLink(index: Int32) throws(NetlinkError) {
        // Index 0 would mean "by name", and with no name by anything.
        guard index > 0 else { return }
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.deleteLink, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        LinkCodec.header(&writer, index: index)
        try toleratingMissing { () throws(NetlinkError) in
            try connection.request(&writer, "delete link", "\(index)")
        }
    }

    /// Changes a link; nil leaves a setting alone. *Units:* `mtu` in bytes. *Idempotency:* the same twice is fine.
    public func setLink(
        index: Int32, up: Bool? = nil, mtu: UInt32? = nil, group: UInt32? = nil
    ) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.newLink, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        LinkCodec.header(
            &writer, index: index, flags: up == true ? LinkCodec.up : 0,
            change: up == nil ? 0 : LinkCodec.up)
        if let mtu { writer.put(LinkCodec.mtu, mtu) }
        if let group { writer.put(LinkCodec.group, group) }
        try connection.request(&writer, "change link", "\(index)")
    }

    /// Has IPv4 take packets in by a link though their answers leave by another: while two links share their
    /// addresses, the two ends need not agree on which one to use.
    ///
    /// *Source:* `linux/if_link.h` (IFLA_AF_SPEC, IFLA_INET_CONF), `linux/ip.h` (IPV4_DEVCONF_RP_FILTER), and ip-sysctl:
    /// of 2 for the link and what holds for all links, the greater one counts, and 2 is loose.
    public func loosenReversePath(index: Int32) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.newLink, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        LinkCodec.header(&writer, index: index)
        writer.nested(LinkCodec.familySettings) { settings in
            settings.nested(LinkCodec.ipv4) { ipv4 in
                ipv4.nested(LinkCodec.configuration) {
                    $0.put(LinkCodec.reversePathFilter, LinkCodec.looseReversePath)
                }
            }
        }
        try connection.request(&writer, "loosen reverse path", "\(index)")
    }

    // MARK: Addresses

    /// All addresses of all links.
    public func addresses() throws(NetlinkError) -> [InterfaceAddress] {
        var writer = NetlinkWriter()
        writer.start(type: RouteMessage.getAddress, flags: NetlinkFlags.request | NetlinkFlags.dump)
        // struct ifaddrmsg, all zero: every family, every link.
        writer.append(UInt64(0))
        return try connection.dump(&writer, "list addresses", into: []) {
            (list, message) throws(NetlinkError) in
            if let address = try AddressCodec.decode(message) { list.append(address) }
        }
    }

    /// Gives a link an address. *Idempotency:* one it has already is fine.
    public func addAddress(index: Int32, _ prefix: IPPrefix) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.newAddress,
            flags: NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.create
                | NetlinkFlags.replace)
        AddressCodec.encode(&writer, index: index, prefix)
        do throws(NetlinkError) {
            try connection.request(&writer, "add address", "\(prefix)")
        } catch {
            if error.code != .exists { throw error }
        }
    }

    /// Takes an address from a link. *Idempotency:* one it has not, or a missing link, is fine.
    public func removeAddress(index: Int32, _ prefix: IPPrefix) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.start(
            type: RouteMessage.deleteAddress, flags: NetlinkFlags.request | NetlinkFlags.acknowledge
        )
        AddressCodec.encode(&writer, index: index, prefix)
        try toleratingMissing { () throws(NetlinkError) in
            try connection.request(&writer, "remove address", "\(prefix)")
        }
    }

    func toleratingMissing(_ body: () throws(NetlinkError) -> Void) throws(NetlinkError) {
        do throws(NetlinkError) { try body() } catch {
            if error.code != .missing { throw error }
        }
    }
}
