import MeshModel
import Netlink

// Numbers of the WireGuard family. *Source:* `linux/wireguard.h`.

/// The family itself.
enum WireGuardFamily {
    static let name = "wireguard"
    static let version: UInt8 = 1
    // WG_CMD_*
    static let getDevice: UInt8 = 0
    static let setDevice: UInt8 = 1
}

/// WGDEVICE_A_*.
enum DeviceAttribute {
    static let name: UInt16 = 2
    static let privateKey: UInt16 = 3
    static let publicKey: UInt16 = 4
    static let flags: UInt16 = 5
    static let listenPort: UInt16 = 6
    static let fwmark: UInt16 = 7
    static let peers: UInt16 = 8
    /// WGDEVICE_F_REPLACE_PEERS.
    static let replacePeers: UInt32 = 1
}

/// WGPEER_A_*.
enum PeerAttribute {
    static let publicKey: UInt16 = 1
    static let presharedKey: UInt16 = 2
    static let flags: UInt16 = 3
    static let endpoint: UInt16 = 4
    static let keepalive: UInt16 = 5
    static let lastHandshake: UInt16 = 6
    static let rxBytes: UInt16 = 7
    static let txBytes: UInt16 = 8
    static let allowedIPs: UInt16 = 9
    // WGPEER_F_*
    static let removeMe: UInt32 = 1
    static let replaceAllowedIPs: UInt32 = 2
    static let updateOnly: UInt32 = 4
}

/// WGALLOWEDIP_A_*.
enum AllowedIPAttribute {
    static let family: UInt16 = 1
    static let address: UInt16 = 2
    static let length: UInt16 = 3
}

/// An endpoint as the kernel's socket address.
///
/// *Shape:* struct sockaddr_in is u16 family, u16 port in network order, 4 address bytes, 8 zeros; struct sockaddr_in6 is
/// u16 family, u16 port in network order, u32 flow, 16 address bytes, u32 scope.
enum SocketAddress {
    static let ipv4: UInt16 = 2
    static let ipv6: UInt16 = 10
    static let ipv4Size = 16
    static let ipv6Size = 28

    static func put(_ writer: inout NetlinkWriter, _ endpoint: SocketEndpoint) {
        let isIPv4 = endpoint.address.family == .ipv4
        guard
            let target = writer.attribute(
                PeerAttribute.endpoint, size: isIPv4 ? ipv4Size : ipv6Size)
        else {
            return
        }
        target.initializeMemory(as: UInt8.self, repeating: 0)
        target.storeBytes(of: isIPv4 ? ipv4 : ipv6, toByteOffset: 0, as: UInt16.self)
        target.storeBytes(of: endpoint.port.bigEndian, toByteOffset: 2, as: UInt16.self)
        let address = UnsafeMutableRawBufferPointer(rebasing: target[(isIPv4 ? 4 : 8)...])
        NetlinkWriter.store(endpoint.address, to: address)
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> SocketEndpoint? {
        guard bytes.count >= 4 else { return nil }
        let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        let part: Slice<UnsafeRawBufferPointer>
        switch (bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self), bytes.count) {
        case (ipv4, ipv4Size): part = bytes[4..<8]
        case (ipv6, ipv6Size): part = bytes[8..<24]
        default: return nil
        }
        return NetlinkReader.address(UnsafeRawBufferPointer(rebasing: part)).map {
            SocketEndpoint($0, port)
        }
    }
}
