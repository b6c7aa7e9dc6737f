import MeshModel
import Netlink

/// Packs a configuration into as few messages as the socket's limit allows, by the bytes they really take.
///
/// Peers are split over messages, and one peer's allowed IPs too. Only the first message may replace all peers, and only a
/// peer's first part may replace its allowed IPs; later parts update only, so that a peer that someone removed meanwhile does
/// not come back.
struct DeviceWriter: ~Copyable {
    private var writer: NetlinkWriter
    private let name: String
    /// Sends one packed message and starts over; the packed message is wiped at the next start.
    private let send: (inout NetlinkWriter) throws(NetlinkError) -> Void
    private let begin: (inout NetlinkWriter) throws(NetlinkError) -> Void
    private var peersMark: NetlinkWriter.Mark?
    /// Whether the message has more in it than the device's name.
    private var holdsSomething = false

    /// - Parameters:
    ///   - limit: the largest message. *Units:* bytes.
    ///   - begin: starts a message up to its attributes.
    ///   - send: delivers a message.
    init(
        _ name: String, limit: Int,
        begin: @escaping (inout NetlinkWriter) throws(NetlinkError) -> Void,
        send: @escaping (inout NetlinkWriter) throws(NetlinkError) -> Void
    ) {
        self.name = name
        self.begin = begin
        self.send = send
        writer = NetlinkWriter(capacity: limit)
    }

    mutating func write(_ configuration: DeviceConfiguration) throws(NetlinkError) {
        try start()
        if configuration.replacePeers {
            writer.put(DeviceAttribute.flags, DeviceAttribute.replacePeers)
        }
        if let key = configuration.privateKey { try put(DeviceAttribute.privateKey, key) }
        if let port = configuration.listenPort { writer.put(DeviceAttribute.listenPort, port) }
        if let mark = configuration.fwmark { writer.put(DeviceAttribute.fwmark, mark) }
        if writer.hasOverflowed { throw tooLarge() }
        holdsSomething = true
        for peer in configuration.peers { try put(peer) }
        try flush()
    }

    // MARK: Messages

    private mutating func start() throws(NetlinkError) {
        try begin(&writer)
        writer.put(DeviceAttribute.name, name)
        peersMark = nil
        holdsSomething = false
    }

    private mutating func flush() throws(NetlinkError) {
        if let mark = peersMark { writer.end(mark) }
        try send(&writer)
    }

    // MARK: Peers

    private mutating func put(_ peer: PeerConfiguration) throws(NetlinkError) {
        var sent = 0
        var isFirst = true
        let total = peer.remove ? 0 : peer.allowedIPs?.count ?? 0
        while true {
            let before = (place: writer.mark, peers: peersMark)
            if peersMark == nil {
                peersMark = writer.begin(DeviceAttribute.peers | NetlinkWriter.nestedFlag)
            }
            let start = sent
            let fits = try putPart(peer, isFirst: isFirst, from: &sent)
            let madeProgress = fits && (sent > start || total == start)
            if madeProgress {
                holdsSomething = true
                isFirst = false
                if sent == total { return }
            } else {
                // Not even the peer and its first allowed IP: an earlier message takes what is there already.
                writer.rollBack(to: before.place)
                peersMark = before.peers
                if !holdsSomething { throw tooLarge() }
                sent = start
            }
            try flush()
            try self.start()
        }
    }

    /// Writes a peer with as many allowed IPs as fit, from `index` on; false where not even the peer itself fits.
    private mutating func putPart(
        _ peer: PeerConfiguration, isFirst: Bool, from index: inout Int
    ) throws(NetlinkError) -> Bool {
        // The kernel takes the type inside a list for nothing; it is 0 by custom.
        let mark = writer.begin(NetlinkWriter.nestedFlag)
        writer.put(PeerAttribute.publicKey, peer.publicKey)
        let flags = flags(peer, isFirst: isFirst)
        if flags != 0 { writer.put(PeerAttribute.flags, flags) }
        if isFirst && !peer.remove {
            switch peer.presharedKey {
            case .set(let key): try put(PeerAttribute.presharedKey, key)
            case .remove: writer.putZeros(PeerAttribute.presharedKey, size: 32)
            case nil: break
            }
            if let endpoint = peer.endpoint { SocketAddress.put(&writer, endpoint) }
            if let keepalive = peer.keepalive { writer.put(PeerAttribute.keepalive, keepalive) }
        }
        if !peer.remove, let list = peer.allowedIPs, !list.isEmpty { put(list, from: &index) }
        if writer.hasOverflowed { return false }
        writer.end(mark)
        // The list of all peers is itself an attribute, with an attribute's limit; the socket's is no larger.
        return !writer.hasOverflowed
    }

    private func flags(_ peer: PeerConfiguration, isFirst: Bool) -> UInt32 {
        if peer.remove { return PeerAttribute.removeMe }
        if !isFirst { return PeerAttribute.updateOnly }
        var flags: UInt32 = peer.updateOnly ? PeerAttribute.updateOnly : 0
        if peer.allowedIPs != nil && peer.replaceAllowedIPs {
            flags |= PeerAttribute.replaceAllowedIPs
        }
        return flags
    }

    private mutating func put(_ list: [IPPrefix], from index: inout Int) {
        let mark = writer.begin(PeerAttribute.allowedIPs | NetlinkWriter.nestedFlag)
        if writer.hasOverflowed { return }
        while index < list.count {
            let prefix = list[index]
            let entry = writer.begin(NetlinkWriter.nestedFlag)
            let isIPv4 = prefix.address.family == .ipv4
            writer.put(AllowedIPAttribute.family, isIPv4 ? SocketAddress.ipv4 : SocketAddress.ipv6)
            writer.put(AllowedIPAttribute.address, prefix.address)
            writer.put(AllowedIPAttribute.length, prefix.length)
            writer.end(entry)
            if writer.hasOverflowed {
                writer.rollBack(to: entry)
                break
            }
            index += 1
        }
        writer.end(mark)
    }

    private mutating func put(_ type: UInt16, _ key: any SecretMaterial) throws(NetlinkError) {
        guard key.count == 32 else {
            throw NetlinkError(
                .tooLarge, "configure", name, text: "a key of \(key.count) bytes, not 32")
        }
        guard let target = writer.attribute(type, size: 32) else { return }
        key.withBytes { bytes in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(32)))
        }
    }

    private func tooLarge() -> NetlinkError {
        NetlinkError(.tooLarge, "configure", name, text: "a peer does not fit in a message")
    }
}
