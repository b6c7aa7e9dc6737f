import Synchronization

/// Requests to a generic netlink family by name; its number is looked up once and kept.
///
/// *Source:* `linux/genetlink.h`. The header after the netlink header is u8 command, u8 version, u16 zero.
public final class GenericSocket: Sendable {
    /// Carries the requests.
    public let connection: NetlinkConnection
    /// The family's name.
    public let family: String
    private let number = Mutex<UInt16?>(nil)

    /// How many bytes stand before the attributes.
    public static let headerSize = 4
    /// The family that tells about families (GENL_ID_CTRL).
    private static let control: UInt16 = 16
    // CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME
    private static let getFamily: UInt8 = 3
    private static let familyID: UInt16 = 1
    private static let familyName: UInt16 = 2

    /// A socket that opens when it is first used.
    public init(family: String) {
        self.family = family
        connection = NetlinkConnection(.generic)
    }

    /// As ``init(family:)``, over a connection of the caller's making.
    public init(family: String, connection: NetlinkConnection) {
        self.family = family
        self.connection = connection
    }

    /// The family's number. The kernel loads the family's module if it can.
    ///
    /// *Throws:* `missing` where the kernel has no such family.
    public func resolve() throws(NetlinkError) -> UInt16 {
        if let known = number.withLock({ $0 }) { return known }
        var writer = NetlinkWriter()
        writer.start(type: Self.control, flags: NetlinkFlags.request | NetlinkFlags.acknowledge)
        Self.header(&writer, command: Self.getFamily, version: 1)
        writer.put(Self.familyName, family)
        var found: UInt16?
        try connection.request(&writer, "find netlink family", family) {
            (message) throws(NetlinkError) in
            var reader = message.attributes(after: Self.headerSize)
            while reader.next() {
                if reader.type == Self.familyID { found = reader.uint16() }
            }
            try reader.check("find netlink family", family)
        }
        guard let found, found >= Self.control else {
            throw .malformed("find netlink family", family, "no number in the reply")
        }
        number.withLock { $0 = found }
        return found
    }

    /// Forgets the number: the module may have been loaded anew since.
    public func forget() { number.withLock { $0 = nil } }

    /// Begins a request with its generic header.
    public func start(
        _ writer: inout NetlinkWriter, command: UInt8, version: UInt8, flags: UInt16
    ) throws(NetlinkError) {
        writer.start(type: try resolve(), flags: NetlinkFlags.request | flags)
        Self.header(&writer, command: command, version: version)
    }

    private static func header(_ writer: inout NetlinkWriter, command: UInt8, version: UInt8) {
        writer.append(command)
        writer.append(version)
        writer.append(UInt16(0))
    }
}
