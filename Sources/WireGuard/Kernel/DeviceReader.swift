import MeshModel
import Netlink

/// Gathers a device from the messages of a dump.
///
/// The kernel splits a long list of peers, and a peer's long list of allowed IPs, over messages; a peer that comes again is
/// the same peer, found by its key.
struct DeviceReader {
    private(set) var device = ObservedDevice(publicKey: nil, listenPort: 0, fwmark: 0, peers: [])
    private(set) var seen = false
    private var positions: [PublicKey: Int] = [:]
    private let identify: (UnsafeRawBufferPointer) -> PresharedKeyID

    init(identify: @escaping (UnsafeRawBufferPointer) -> PresharedKeyID) {
        self.identify = identify
    }

    mutating func add(_ message: NetlinkMessage, _ name: String) throws(NetlinkError) {
        seen = true
        var reader = message.attributes(after: GenericSocket.headerSize)
        while reader.next() {
            switch reader.type {
            case DeviceAttribute.publicKey:
                device.publicKey = reader.key().flatMap { $0 == .zero ? nil : $0 }
            case DeviceAttribute.listenPort: device.listenPort = reader.uint16()
            case DeviceAttribute.fwmark: device.fwmark = reader.uint32()
            case DeviceAttribute.peers:
                reader.nested { list in
                    while list.next() { list.nested { peer in add(&peer) } }
                }
            // The private key is not even looked at.
            default: break
            }
        }
        try reader.check("read device", name)
    }

    private mutating func add(_ reader: inout NetlinkReader) {
        var peer = ObservedPeer(
            publicKey: .zero, presharedKey: nil, endpoint: nil, keepalive: 0, allowedIPs: [],
            lastHandshake: 0, rxBytes: 0, txBytes: 0)
        var hasKey = false
        while reader.next() {
            switch reader.type {
            case PeerAttribute.publicKey:
                if let key = reader.key() {
                    peer.publicKey = key
                    hasKey = true
                }
            case PeerAttribute.presharedKey: peer.presharedKey = presharedKey(&reader)
            case PeerAttribute.endpoint: peer.endpoint = endpoint(&reader)
            case PeerAttribute.keepalive: peer.keepalive = reader.uint16()
            case PeerAttribute.lastHandshake: peer.lastHandshake = time(&reader)
            case PeerAttribute.rxBytes: peer.rxBytes = reader.uint64()
            case PeerAttribute.txBytes: peer.txBytes = reader.uint64()
            case PeerAttribute.allowedIPs: addAllowedIPs(&reader, to: &peer.allowedIPs)
            default: break
            }
        }
        if reader.failure != nil { return }
        if !hasKey {
            reader.fail("a peer without a key")
            return
        }
        if let position = positions[peer.publicKey] {
            device.peers[position].allowedIPs += peer.allowedIPs
        } else {
            positions[peer.publicKey] = device.peers.count
            device.peers.append(peer)
        }
    }

    private func presharedKey(_ reader: inout NetlinkReader) -> PresharedKeyID? {
        let value = reader.value
        guard value.count == 32 else {
            reader.fail("a preshared key of \(value.count) bytes")
            return nil
        }
        // The kernel's "none" is 32 zeros; all are looked at, so that time tells nothing of a key.
        var bits: UInt8 = 0
        for byte in value { bits |= byte }
        return bits == 0 ? nil : identify(value)
    }

    private func endpoint(_ reader: inout NetlinkReader) -> SocketEndpoint? {
        guard let endpoint = SocketAddress.decode(reader.value) else {
            reader.fail("an endpoint of \(reader.value.count) bytes")
            return nil
        }
        return endpoint
    }

    /// struct __kernel_timespec: i64 seconds, i64 nanoseconds.
    private func time(_ reader: inout NetlinkReader) -> Double {
        let value = reader.value
        guard value.count == 16 else {
            reader.fail("a time of \(value.count) bytes")
            return 0
        }
        return Double(value.loadUnaligned(fromByteOffset: 0, as: Int64.self))
            + Double(value.loadUnaligned(fromByteOffset: 8, as: Int64.self)) / 1_000_000_000
    }

    private func addAllowedIPs(_ reader: inout NetlinkReader, to list: inout [IPPrefix]) {
        // Three small attributes in a nest take 28 bytes for IPv4, 40 for IPv6.
        list.reserveCapacity(list.count + reader.value.count / 28)
        reader.nested { entries in
            while entries.next() {
                entries.nested { entry in
                    var address: IPAddress?
                    var length: UInt8 = 0
                    while entry.next() {
                        switch entry.type {
                        case AllowedIPAttribute.address: address = entry.address()
                        case AllowedIPAttribute.length: length = entry.uint8()
                        // The family shows in the address's size.
                        default: break
                        }
                    }
                    guard let address, let prefix = IPPrefix(address, length: Int(length)) else {
                        entry.fail("an allowed IP that does not fit its family")
                        return
                    }
                    list.append(prefix)
                }
            }
        }
    }
}
