import Glibc
public import MeshModel

/// An address that Multipath TCP may use besides the one that was dialled.
public struct MultipathEndpoint: Sendable, Hashable {
    /// The kernel's number for it.
    public var id: UInt8
    /// The address.
    public var address: IPAddress
    /// The port, or nil for the connection's own.
    public var port: UInt16?
    /// What it is for. *Source:* `linux/mptcp_pm.h`, MPTCP_PM_ADDR_FLAG_*.
    public var flags: UInt32
    /// The interface that it is limited to, or nil.
    public var interfaceIndex: Int32?

    /// `192.0.2.1 id 1 signal subflow`, as `ip mptcp endpoint` has it.
    public var text: String {
        let names = ["signal", "subflow", "backup", "fullmesh", "implicit"]
        let set = names.indices.filter { flags & 1 << UInt32($0) != 0 }.map { names[$0] }
        let place = port.map { ["port \($0)"] } ?? []
        return (["\(address)"] + place + ["id \(id)"] + set).joined(separator: " ")
    }
}

/// Reads the Multipath TCP endpoints of one network namespace: that of the thread that first uses this.
///
/// *Source:* `linux/mptcp_pm.h`. *Privilege:* CAP_NET_ADMIN.
public struct MultipathEndpoints: Sendable {
    private let socket: GenericSocket
    /// MPTCP_PM_CMD_GET_ADDR.
    private static let getAddress: UInt8 = 3
    /// MPTCP_PM_ATTR_ADDR.
    private static let address: UInt16 = 1

    /// A reader that opens its socket when it is first used.
    public init() {
        socket = GenericSocket(family: "mptcp_pm")
    }

    /// As ``init()``, over a connection of the caller's making.
    public init(connection: NetlinkConnection) {
        socket = GenericSocket(family: "mptcp_pm", connection: connection)
    }

    /// All endpoints; none where the kernel has no Multipath TCP.
    public func all() throws(NetlinkError) -> [MultipathEndpoint] {
        var writer = NetlinkWriter()
        do throws(NetlinkError) {
            try socket.start(
                &writer, command: Self.getAddress, version: 1, flags: NetlinkFlags.dump)
        } catch {
            if error.code == .missing || error.code == .unsupported { return [] }
            throw error
        }
        return try socket.connection.dump(&writer, "list MPTCP endpoints", into: []) {
            (list, message) throws(NetlinkError) in
            var reader = message.attributes(after: GenericSocket.headerSize)
            while reader.next() {
                guard reader.type == Self.address else { continue }
                var found: MultipathEndpoint?
                reader.nested { found = Self.decode(&$0) }
                if let found { list.append(found) }
            }
            try reader.check("read MPTCP endpoint")
        }
    }

    private static func decode(_ reader: inout NetlinkReader) -> MultipathEndpoint? {
        var id: UInt8 = 0
        var address: IPAddress?
        var port: UInt16?
        var flags: UInt32 = 0
        var index: Int32?
        while reader.next() {
            // MPTCP_PM_ADDR_ATTR_*
            switch reader.type {
            case 2: id = reader.uint8()
            case 3, 4: address = reader.address()
            case 5: port = reader.uint16()
            case 6: flags = reader.uint32()
            case 7: index = reader.int32()
            default: break
            }
        }
        return address.map {
            MultipathEndpoint(
                id: id, address: $0, port: port == 0 ? nil : port, flags: flags,
                interfaceIndex: index)
        }
    }
}
