import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol
import Synchronization

/// The thread of a ``MailServer``: a handful of connections, each with a deadline, none of which can hold up another.
final class MailServing: @unchecked Sendable {
    /// Connections at a time; above it the newest is turned away, so that what is under way goes on.
    static let connectionLimit = 32
    /// Of one peer: one that is hostile does not use up the others'.
    static let connectionsEach = 2
    /// One peer is answered once in so long. *Units:* seconds.
    static let pause = 0.2
    /// How long a peer may take to ask, and to take anything of an answer. *Units:* seconds.
    static let patience = 5.0
    /// How long it may take to take all of it. *Units:* seconds.
    static let transferTime = 30.0
    /// When listening is tried again. *Units:* seconds.
    private static let retryInterval = 5.0

    // Only the thread that runs it uses any of this; `@unchecked` is for handing it over to that thread.
    private let server: MailServer
    private let loop: EventLoop
    private var listeners: [MailPlace: Listener] = [:]
    private var connections: [UInt64: Served] = [:]
    private var lastAsked: [IPAddress: Double] = [:]
    private var nextToken = Token.first
    private var retryAt = Double.infinity
    private var table = MailTable()

    private enum Token {
        static let orders: UInt64 = 0
        static let first: UInt64 = 1
    }

    private final class Listener {
        let socket: Descriptor
        let token: UInt64
        /// The interface that it is bound to, by number: one of the same name that is made later is another.
        let index: UInt32

        init(_ socket: consuming Descriptor, token: UInt64, index: UInt32) {
            self.socket = socket
            self.token = token
            self.index = index
        }
    }

    init(_ server: MailServer) throws(SystemError) {
        self.server = server
        loop = try EventLoop()
        try loop.add(server.orders.number, token: Token.orders)
    }

    func run() {
        while true {
            var events: [EventLoop.Event] = []
            do { events = try loop.wait(milliseconds: pauseTime()) } catch { Clocks.sleep(1) }
            for event in events {
                if event.token == Token.orders {
                    server.orders.silence()
                    let (table, isStopping) = server.shared.withLock { ($0.table, $0.isStopping) }
                    if isStopping { return }
                    self.table = table
                    listen()
                } else if let connection = connections[event.token] {
                    serve(connection)
                } else if let listener = listeners.values.first(where: { $0.token == event.token })
                {
                    accept(listener)
                }
            }
            let now = Clocks.monotonic()
            if now >= retryAt { listen() }
            for connection in connections.values where now >= connection.deadline {
                close(connection)
            }
        }
    }

    private func pauseTime() -> Int32 {
        let wake = min(retryAt, connections.values.map(\.deadline).min() ?? .infinity)
        return wake == .infinity ? -1 : MailSocket.milliseconds(until: wake)
    }

    // MARK: listening

    private func listen() {
        retryAt = .infinity
        for (place, listener) in listeners
        where !table.places.contains(place) || Self.index(of: place) != listener.index {
            loop.remove(listener.socket.number)
            listeners[place] = nil
        }
        for place in table.places where listeners[place] == nil {
            let index = Self.index(of: place)
            do throws(SystemError) {
                let socket = try MailSocket.listen(place)
                try loop.add(socket.number, token: nextToken)
                listeners[place] = Listener(socket, token: nextToken, index: index)
                nextToken += 1
            } catch {
                retryAt = Clocks.monotonic() + Self.retryInterval
                // An interface that is about to be made is no trouble.
                if error.errno == ENODEV { continue }
                server.shared.withLock { $0.trouble = error.description }
                server.news.ring()
            }
        }
    }

    private static func index(of place: MailPlace) -> UInt32 {
        place.interface.map { if_nametoindex($0) } ?? 0
    }

    private func accept(_ listener: Listener) {
        let now = Clocks.monotonic()
        lastAsked = lastAsked.filter { now - $0.value < Self.pause }
        while let (number, from) = MailSocket.accept(listener.socket.number) {
            let socket = Descriptor(owning: number)
            guard let node = table.peers[from], lastAsked[from] == nil,
                connections.count < Self.connectionLimit,
                connections.values.count(where: { $0.node == node }) < Self.connectionsEach
            else { continue }
            lastAsked[from] = now
            let connection = Served(socket, of: node, token: nextToken, now: now)
            nextToken += 1
            do { try loop.add(connection.socket.number, token: connection.token) } catch {
                continue
            }
            connections[connection.token] = connection
        }
    }

    // MARK: connections

    private func close(_ connection: Served) {
        loop.remove(connection.socket.number)
        connections[connection.token] = nil
    }

    private func serve(_ connection: Served) {
        let now = Clocks.monotonic()
        switch connection.turn(now) {
        case .waiting: break
        case .ended: close(connection)
        case .asked(let call):
            server.shared.withLock { shared in
                shared.calls[connection.node] = call
            }
            server.news.ring()
            let mail = table.waiting[connection.node].flatMap {
                $0.revision > call.highest ? $0.sealed : nil
            }
            connection.answer(mail ?? [], now)
            try? loop.modify(
                connection.socket.number, token: connection.token, reading: false, writing: true)
        }
    }
}

/// One peer's connection: 32 bytes in, one answer out.
private final class Served {
    enum Turn {
        case waiting, ended
        case asked(MailCall)
    }

    let socket: Descriptor
    let node: String
    let token: UInt64
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var sent = 0
    private var progressAt: Double
    private var endsAt: Double

    init(_ socket: consuming Descriptor, of node: String, token: UInt64, now: Double) {
        self.socket = socket
        self.node = node
        self.token = token
        progressAt = now
        endsAt = now + MailServing.patience
    }

    /// When it ends whatever comes. *Units:* monotonic seconds.
    var deadline: Double { min(progressAt + MailServing.patience, endsAt) }

    func answer(_ mail: [UInt8], _ now: Double) {
        output = MailAnswer.head(mail.count) + mail
        progressAt = now
        endsAt = now + MailServing.transferTime
    }

    /// Does what can be done now.
    func turn(_ now: Double) -> Turn { output.isEmpty ? receive() : send(now) }

    private func receive() -> Turn {
        do throws(SystemError) {
            // One byte more than a call has: what sends more is none.
            let chunk = try IO.read(socket.number, limit: MailCall.count + 1 - input.count)
            if chunk.isEmpty { return .ended }
            input += chunk
        } catch { return error.errno == EAGAIN ? .waiting : .ended }
        if input.count < MailCall.count { return .waiting }
        return MailCall(input).map { .asked($0) } ?? .ended
    }

    private func send(_ now: Double) -> Turn {
        guard let count = IO.sendNow(socket.number, output, from: sent) else { return .ended }
        if count > 0 { progressAt = now }
        sent += count
        return sent < output.count ? .waiting : .ended
    }
}
