import CLinux
import Glibc
import JoinChannel
import LinuxSystem
import NodeProtocol

/// A relay's connections, on one thread.
struct RelayLoop {
    private struct Passage {
        let socket: Int32
        /// By what it is counted.
        let source: String
        let since: Double
        var waiting: [UInt8] = []
        var isEnding = false
        /// Whether the controller has said anything: it speaks only to who has shown the token's key, but for the answer
        /// to a first message.
        var heard = 0
    }

    /// Connections at the same time, and of one source. Without the key it can only go by whom the controller answers, and
    /// until that answer is here a flood from more sources than there are places can drop the true node.
    private static let crowd = JoinCrowd(limit: 48, perSource: 24)
    /// How long a connection may be there before the controller has said anything to it. *Units:* seconds.
    private static let patience = 15.0
    /// More than this may nobody leave unread: the largest message there is, and some. *Units:* bytes.
    private static let unread = FrameReader.limit + (1 << 20)

    private let listening: [Int32]
    private let end: Double
    private var passages: [UInt32: Passage] = [:]
    private var next: UInt32 = 1
    private var reader = RelayReader()
    /// What standard output has no room for yet. Waiting for it would be a deadlock: the controller may be waiting for us
    /// to read.
    private var outgoing: [UInt8] = []

    /// Above this nothing more is read from connections until the controller has taken some. *Units:* bytes.
    private static let outgoingLimit = 1 << 20

    init(listening: [Int32], until end: Double) {
        self.listening = listening
        self.end = end
    }

    /// Until standard input ends, or time is over.
    mutating func run(port: UInt16) throws(SystemError) {
        for number in listening + [1] { _ = cl_fcntl(number, F_SETFL, O_NONBLOCK) }
        try send(RelayFrame(.ready, 0, Array("\(port)".utf8)))
        while Clocks.monotonic() < end {
            let order = passages.keys.sorted()
            let input = outgoing.count < Self.outgoingLimit ? POLLIN : 0
            var entries = [
                pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
                // poll passes over entries with a negative number.
                pollfd(fd: outgoing.isEmpty ? -1 : 1, events: Int16(POLLOUT), revents: 0),
            ]
            entries += listening.map { pollfd(fd: $0, events: Int16(input), revents: 0) }
            for number in order {
                guard let passage = passages[number] else { continue }
                let events = input | (passage.waiting.isEmpty ? 0 : POLLOUT)
                entries.append(
                    pollfd(fd: events == 0 ? -1 : passage.socket, events: Int16(events), revents: 0)
                )
            }
            _ = poll(&entries, nfds_t(entries.count), 1000)
            if entries[0].revents != 0, try !takeOrders() { return }
            try flushOutgoing()
            for (index, socket) in listening.enumerated() where entries[2 + index].revents != 0 {
                try accept(socket)
            }
            let first = 2 + listening.count
            for (index, number) in order.enumerated() where entries[first + index].revents != 0 {
                try passOn(number)
            }
            try dropIdle()
        }
    }

    /// Takes what the controller says; false at the end.
    private mutating func takeOrders() throws(SystemError) -> Bool {
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try IO.read(0) } catch {
            // Standard input and output may be one socket, which does not wait any more.
            if error.errno == EAGAIN { return true }
            throw error
        }
        if bytes.isEmpty { return false }
        reader.append(bytes)
        do throws(ProtocolError) {
            while let frame = try reader.next() { take(frame) }
        } catch { throw SystemError("relay", "", errno: 0, detail: error.message) }
        for number in passages.keys { try flush(number) }
        return true
    }

    private mutating func take(_ frame: RelayFrame) {
        switch frame.kind {
        case .data:
            passages[frame.connection]?.waiting += frame.bytes
            passages[frame.connection]?.heard += 1
        case .closed: passages[frame.connection]?.isEnding = true
        case .ready, .opened: break
        }
    }

    private mutating func accept(_ listener: Int32) throws(SystemError) {
        guard let (socket, peer) = try? JoinSockets.accept(listener) else { return }
        let source = JoinCrowd.source(of: peer)
        // Numbers grow, so this is the order in which they came.
        let order = passages.keys.sorted()
        var entries = order.compactMap { passages[$0] }.map {
            JoinCrowd.Entry(source: $0.source, isProven: $0.heard > 0)
        }
        entries.append(JoinCrowd.Entry(source: source, isProven: false))
        if let index = Self.crowd.givesWay(in: entries) {
            guard index < order.count else {
                Glibc.close(socket)
                return
            }
            try drop(order[index])
        }
        passages[next] = Passage(socket: socket, source: source, since: Clocks.monotonic())
        try send(RelayFrame(.opened, next, Array(peer.utf8.prefix(64))))
        next &+= 1
    }

    private mutating func passOn(_ number: UInt32) throws(SystemError) {
        try flush(number)
        guard let passage = passages[number] else { return }
        var buffer = [UInt8](repeating: 0, count: RelayFrame.limit / 2)
        let count = recv(passage.socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 {
            try send(RelayFrame(.data, number, Array(buffer.prefix(count))))
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            try drop(number)
        }
    }

    /// Writes what fits of what waits for a connection, and ends it where that was the last.
    private mutating func flush(_ number: UInt32) throws(SystemError) {
        guard var passage = passages[number] else { return }
        guard let count = IO.sendNow(passage.socket, passage.waiting) else {
            return try drop(number)
        }
        passage.waiting.removeFirst(count)
        if passage.waiting.count > Self.unread || passage.isEnding && passage.waiting.isEmpty {
            return try drop(number)
        }
        passages[number] = passage
    }

    private mutating func dropIdle() throws(SystemError) {
        let now = Clocks.monotonic()
        for (number, passage) in passages
        where passage.heard == 0 && now - passage.since > Self.patience {
            try drop(number)
        }
    }

    private mutating func drop(_ number: UInt32) throws(SystemError) {
        guard let passage = passages.removeValue(forKey: number) else { return }
        Glibc.close(passage.socket)
        if !passage.isEnding { try send(RelayFrame(.closed, number)) }
    }

    private mutating func send(_ frame: RelayFrame) throws(SystemError) {
        outgoing += frame.encoded
        try flushOutgoing()
    }

    private mutating func flushOutgoing() throws(SystemError) {
        var sent = 0
        while sent < outgoing.count {
            let count = outgoing.withUnsafeBytes {
                Glibc.write(1, $0.baseAddress! + sent, $0.count - sent)
            }
            if count >= 0 {
                sent += count
                continue
            }
            let code = errno
            if code == EAGAIN { break }
            if code != EINTR { throw SystemError("write", "", errno: code) }
        }
        outgoing.removeFirst(sent)
    }
}
