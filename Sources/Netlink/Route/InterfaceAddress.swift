public import MeshModel

/// An address of an interface.
public struct InterfaceAddress: Sendable, Hashable {
    /// Whose it is.
    public var index: Int32
    /// The address with the length of its network.
    public var prefix: IPPrefix

    /// Pairs an interface with an address.
    public init(index: Int32, prefix: IPPrefix) {
        self.index = index
        self.prefix = prefix
    }
}

/// Addresses as netlink messages.
///
/// *Shape:* struct ifaddrmsg (u8 family, u8 prefix length, u8 flags, u8 scope, u32 interface), then IFA_* attributes.
/// *Source:* `linux/if_addr.h`.
enum AddressCodec {
    static let headerSize = 8
    // IFA_*
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    // IFA_F_NODAD
    static let noDuplicateDetection: UInt8 = 2

    static func decode(_ message: NetlinkMessage) throws(NetlinkError) -> InterfaceAddress? {
        guard message.type == RouteMessage.newAddress, message.payload.count >= headerSize,
            let family = KernelFamily.family(message.uint8(at: 0))
        else { return nil }
        var found: IPAddress?
        var own: IPAddress?
        var reader = message.attributes(after: headerSize)
        while reader.next() {
            switch reader.type {
            // On a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL ours.
            case local: own = reader.address()
            case address: found = reader.address()
            default: break
            }
        }
        try reader.check("read address")
        guard let value = own ?? found, value.family == family,
            let prefix = IPPrefix(value, length: Int(message.uint8(at: 1)))
        else { throw .malformed("read address", "", "an address that does not fit its family") }
        return InterfaceAddress(index: message.int32(at: 4), prefix: prefix)
    }

    static func encode(_ writer: inout NetlinkWriter, index: Int32, _ prefix: IPPrefix) {
        let family = prefix.address.family
        writer.append(KernelFamily.of(family))
        writer.append(prefix.length)
        // An overlay address is nobody else's, and a tentative one cannot yet be the source of a route.
        writer.append(family == .ipv6 ? noDuplicateDetection : 0)
        writer.append(UInt8(0))
        writer.append(index)
        writer.put(local, prefix.address)
        writer.put(address, prefix.address)
    }
}
