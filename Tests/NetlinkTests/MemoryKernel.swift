import Glibc
import Netlink
import Synchronization
import TestSupport

/// A kernel that keeps what it is told and gives it back in dumps: links, addresses, routes and rules.
final class MemoryKernel: Sendable {
    private struct Table {
        var entries: [[UInt8]] = []
        var requests: [[UInt8]] = []
    }

    private let table = Mutex(Table())

    /// All requests so far.
    var requests: [[UInt8]] { table.withLock { $0.requests } }

    func socket() -> RouteSocket {
        routeSocket { [self] request in answer(request) }
    }

    private func answer(_ request: [UInt8]) -> [Datagram] {
        let sequence = request.sequence
        let type = request.uint16(4)
        return table.withLock { table in
            table.requests.append(request)
            switch type {
            case 16, 20, 24, 32:
                // RTM_NEW*: the message of a dump has the same body.
                table.entries.append(request)
                return [.success(acknowledgement(sequence: sequence))]
            case 17, 21, 25, 33:
                let body = Self.key(request)
                guard
                    let index = table.entries.firstIndex(where: {
                        $0.uint16(4) == type - 1 && Self.key($0) == body
                    })
                else { return [.success(acknowledgement(ESRCH, sequence: sequence))] }
                table.entries.remove(at: index)
                return [.success(acknowledgement(sequence: sequence))]
            default:
                return Self.dump(
                    table.entries.filter { $0.uint16(4) == type - 2 && Self.family($0, request) },
                    sequence)
            }
        }
    }

    /// What a deletion names: here everything but the header, and the scope that is left open (byte 6 of a route).
    private static func key(_ message: [UInt8]) -> [UInt8] {
        var body = Array(message[16...])
        if message.uint16(4) == 24 || message.uint16(4) == 25 { body[6] = 0 }
        return body
    }

    private static func family(_ entry: [UInt8], _ request: [UInt8]) -> Bool {
        request[16] == 0 || entry[16] == request[16]
    }

    /// Two messages in each datagram, then the end.
    private static func dump(_ entries: [[UInt8]], _ sequence: UInt32) -> [Datagram] {
        var datagrams: [Datagram] = []
        var current: [UInt8] = []
        for (index, entry) in entries.enumerated() {
            var entry = entry
            entry[6] = UInt8(NetlinkFlags.multi)
            entry[7] = 0
            entry.set32(8, sequence)
            entry.set32(12, testPort)
            current += entry
            if index % 2 == 1 {
                datagrams.append(.success(current))
                current = []
            }
        }
        return datagrams + [.success(current + done(sequence: sequence))]
    }
}
