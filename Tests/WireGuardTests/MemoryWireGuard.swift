import Glibc
import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import TestSupport
import WireGuard

/// A kernel with one WireGuard device in memory: it takes and gives the messages that the real one does.
final class MemoryWireGuard: Sendable {
    struct Peer: Equatable {
        var presharedKey = [UInt8](repeating: 0, count: 32)
        var endpoint: [UInt8]?
        var keepalive: UInt16 = 0
        var allowedIPs: [IPPrefix] = []
    }

    struct State {
        var privateKey: [UInt8]?
        var listenPort: UInt16 = 0
        var fwmark: UInt32 = 0
        /// In the order of their coming.
        var order: [PublicKey] = []
        var peers: [PublicKey: Peer] = [:]
        var requests: [[UInt8]] = []
        /// Whether the next dump says that it was interrupted, and what it changes then.
        var interruptions = 0
        /// Runs after each configuring message.
        var meddle: (@Sendable (inout State) -> Void)?
        /// How many peers and allowed IPs a dump puts in one message.
        var peersPerMessage = 3
        var addressesPerMessage = 4
        var familyNumber: UInt16 = 30
    }

    let state = Mutex(State())
    private let limit: Int

    init(messageLimit: Int = 32_768) { limit = messageLimit }

    func backend() -> KernelBackend {
        let connection = NetlinkConnection {
            [self] () throws(SystemError) -> any NetlinkTransport in
            FunctionTransport(port: testPort, messageLimit: limit) { [self] in answer($0) }
        }
        return KernelBackend(
            routes: RouteSocket(connection: connection),
            generic: GenericSocket(family: "wireguard", connection: connection))
    }

    private func answer(_ request: [UInt8]) -> [Datagram] {
        let sequence = request.uint32(8)
        let type = request.uint16(4)
        return state.withLock { state in
            state.requests.append(request)
            if type == 16 {
                // CTRL_CMD_NEWFAMILY: CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME
                let number = state.familyNumber
                let reply = message(16, sequence: sequence) { writer in
                    writer.append(UInt32(1))
                    writer.put(1, number)
                    writer.put(2, "wireguard")
                }
                return [.success(reply), .success(acknowledgement(sequence: sequence))]
            }
            if type != state.familyNumber {
                return [.success(acknowledgement(ENOENT, sequence: sequence))]
            }
            if request[16] == 0 { return Self.dump(&state, sequence) }
            let code = Self.apply(request, &state)
            state.meddle?(&state)
            return [.success(acknowledgement(code, sequence: sequence))]
        }
    }

    // MARK: WG_CMD_SET_DEVICE

    private static func apply(_ request: [UInt8], _ state: inout State) -> Int32 {
        request.withUnsafeBytes { bytes in
            var reader = NetlinkReader(bytes, from: 20)
            while reader.next() {
                switch reader.type {
                case 3: state.privateKey = [UInt8](reader.value)
                case 5:
                    if reader.uint32() & 1 != 0 {
                        state.peers = [:]
                        state.order = []
                    }
                case 6: state.listenPort = reader.uint16()
                case 7: state.fwmark = reader.uint32()
                case 8:
                    reader.nested { list in while list.next() { list.nested { apply(&$0, &state) } }
                    }
                default: break
                }
            }
            return reader.failure == nil ? 0 : EINVAL
        }
    }

    private static func apply(_ reader: inout NetlinkReader, _ state: inout State) {
        var key = PublicKey.zero
        var flags: UInt32 = 0
        var change = Peer()
        var sets: Set<UInt16> = []
        while reader.next() {
            sets.insert(reader.type)
            switch reader.type {
            case 1: key = reader.key() ?? .zero
            case 2: change.presharedKey = [UInt8](reader.value)
            case 3: flags = reader.uint32()
            case 4: change.endpoint = [UInt8](reader.value)
            case 5: change.keepalive = reader.uint16()
            case 9:
                reader.nested { list in
                    while list.next() { list.nested { change.allowedIPs += prefix(&$0) } }
                }
            default: break
            }
        }
        if flags & 1 != 0 {
            state.peers[key] = nil
            state.order.removeAll { $0 == key }
            return
        }
        if state.peers[key] == nil {
            if flags & 4 != 0 { return }
            state.order.append(key)
        }
        var peer = state.peers[key] ?? Peer()
        if sets.contains(2) { peer.presharedKey = change.presharedKey }
        if sets.contains(4) { peer.endpoint = change.endpoint }
        if sets.contains(5) { peer.keepalive = change.keepalive }
        if flags & 2 != 0 { peer.allowedIPs = [] }
        peer.allowedIPs += change.allowedIPs
        state.peers[key] = peer
    }

    private static func prefix(_ reader: inout NetlinkReader) -> [IPPrefix] {
        var address: IPAddress?
        var length: UInt8 = 0
        while reader.next() {
            switch reader.type {
            case 2: address = reader.address()
            case 3: length = reader.uint8()
            default: break
            }
        }
        return address.flatMap { IPPrefix($0, length: Int(length)) }.map { [$0] } ?? []
    }

    // MARK: WG_CMD_GET_DEVICE

    private static func dump(_ state: inout State, _ sequence: UInt32) -> [Datagram] {
        var flags = NetlinkFlags.multi
        if state.interruptions > 0 {
            state.interruptions -= 1
            flags |= NetlinkFlags.dumpInterrupted
        }
        // The device, then rows of (key, first part or not, allowed IPs).
        var rows: [(PublicKey, Bool, ArraySlice<IPPrefix>)] = []
        for key in state.order {
            let list = state.peers[key]?.allowedIPs ?? []
            var start = 0
            repeat {
                let end = min(start + state.addressesPerMessage, list.count)
                rows.append((key, start == 0, list[start..<end]))
                start = end
            } while start < list.count
        }
        var datagrams: [Datagram] = []
        var index = 0
        let snapshot = state
        repeat {
            let end = min(index + state.peersPerMessage, rows.count)
            let part = rows[index..<end]
            let isFirst = index == 0
            let bytes = message(state.familyNumber, flags: flags, sequence: sequence) { writer in
                writer.append(UInt32(0))
                if isFirst { header(&writer, snapshot) }
                writer.put(2, "wg0")
                writer.nested(8) { list in
                    for row in part { list.nested(0) { peer(&$0, row, snapshot) } }
                }
            }
            datagrams.append(.success(bytes))
            index = end
        } while index < rows.count
        return datagrams + [.success(done(flags: flags, sequence: sequence))]
    }

    private static func header(_ writer: inout NetlinkWriter, _ state: State) {
        writer.put(6, state.listenPort)
        writer.put(7, state.fwmark)
        guard let key = state.privateKey else { return }
        key.withUnsafeBytes { writer.put(3, $0) }
        // Not the true public key; the reader takes what it is told.
        key.withUnsafeBytes { writer.put(4, $0) }
    }

    private static func peer(
        _ writer: inout NetlinkWriter, _ row: (PublicKey, Bool, ArraySlice<IPPrefix>),
        _ state: State
    ) {
        writer.put(1, row.0)
        if row.1, let peer = state.peers[row.0] {
            peer.presharedKey.withUnsafeBytes { writer.put(2, $0) }
            if let endpoint = peer.endpoint { endpoint.withUnsafeBytes { writer.put(4, $0) } }
            writer.put(5, peer.keepalive)
            [UInt8](repeating: 0, count: 16).withUnsafeBytes { writer.put(6, $0) }
            [UInt8](repeating: 0, count: 8).withUnsafeBytes { writer.put(7, $0) }
            [UInt8](repeating: 0, count: 8).withUnsafeBytes { writer.put(8, $0) }
            writer.put(10, UInt32(1))
        }
        writer.nested(9) { list in
            for prefix in row.2 {
                list.nested(0) { entry in
                    entry.put(3, prefix.length)
                    entry.put(1, UInt16(prefix.address.family == .ipv4 ? 2 : 10))
                    entry.put(2, prefix.address)
                }
            }
        }
    }
}
