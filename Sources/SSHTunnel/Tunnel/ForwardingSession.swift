import CSSH
import Glibc
import LinuxSystem
import MeshModel

/// An SSH session and the connections that it carries.
///
/// Belongs to one thread. Its socket is watched for edges, and read ahead of libssh: whatever calls libssh may
/// take packets off the socket and run callbacks. So a ``round(_:)`` goes on until nobody has anything left to do, and
/// only then may the thread wait.
final class ForwardingSession {
    let algorithms: TunnelAlgorithms
    let token: UInt64
    /// Where new connections are to go.
    var target: TunnelEnd
    /// What became of connections that the server refused to open, the last one only.
    private(set) var refusal: Refusal?
    private(set) var connections: [UInt64: ForwardedConnection] = [:]
    /// Bytes since it was last asked.
    var sent: UInt64 = 0
    var received: UInt64 = 0
    /// Connections that wait for room at the server, or for the end of a key exchange.
    var stalled: [ForwardedConnection] = []

    var handle: ssh_session { session.handle }

    /// Why the server opened no channel.
    struct Refusal {
        /// *Source:* RFC 4254, section 5.1: 1 is forbidden, 2 is a failed connect.
        var code: Int
        var words: String
    }

    private let session: SSHSession
    private let input: ReadAhead
    private let event: ssh_event
    private let counter = UnsafeMutablePointer<ssh_counter_struct>.allocate(capacity: 1)
    private var opening: [ForwardedConnection] = []
    private var ready: [ForwardedConnection] = []
    private var batch: [ForwardedConnection] = []
    private var noted: [ForwardedConnection] = []
    private var spare: [ForwardedConnection] = []
    private var isBlocked = false
    /// How much had come from the server when it was last taken as a sign of life, and when the packets in it
    /// were last acted upon.
    private var seen: UInt64 = 0
    private var settledAt: UInt64 = 0
    private var lastErrorText = ""
    private var life: SessionLife

    /// How much one round reads before others have their turn, in looks of libssh at its socket, of 4 KiB each: what
    /// was read ahead. *Source:* libssh 0.10, MAX_BUF_SIZE.
    private static let readTurns = ReadAhead.capacity / 4096
    /// What a turn of one connection sends: whole packets. libssh keeps ten bytes free of the 32 KiB that OpenSSH takes.
    /// Half as many packets cost a twentieth more processor time, twice as many save nothing.
    static let chunk = 16 * (32_768 - 10)

    /// Takes over a session that is logged in; nil where memory runs out.
    init?(
        _ session: SSHSession, _ algorithms: TunnelAlgorithms, target: TunnelEnd, token: UInt64,
        isFar: Bool, now: Double
    ) {
        guard let input = ReadAhead(ssh_get_fd(session.handle)) else { return nil }
        guard let event = ssh_event_new() else { return nil }
        self.session = session
        self.algorithms = algorithms
        self.target = target
        self.token = token
        self.isFar = isFar
        self.input = input
        self.event = event
        life = SessionLife(now: now)
        counter.initialize(to: ssh_counter_struct())
        ssh_set_counters(session.handle, counter, nil)
        // A server has nothing to ask of us: whatever channel it wants to open is refused.
        ssh_set_message_callback(session.handle, refuseMessage, nil)
        ssh_event_add_session(event, session.handle)
    }

    deinit {
        abandon()
        ssh_event_remove_session(event, handle)
        ssh_event_free(event)
        ssh_set_counters(handle, nil, nil)
        counter.deallocate()
    }

    var descriptor: Int32 { ssh_get_fd(handle) }
    var subject: String { session.subject }

    /// Whether the way to the server is so long that libssh's window of 1.28 MB would hold it up: 2 ms make
    /// 640 MB/s of it. On shorter ways more bytes under way would only fall out of the caches.
    let isFar: Bool

    var libraryText: String { session.libraryText }

    /// Whether the connection to the server has ended.
    var isDead: Bool {
        ssh_get_fd(handle) < 0 || ssh_is_connected(handle) == 0
            || ssh_get_status(handle) & (SSH_CLOSED | SSH_CLOSED_ERROR) != 0
    }

    // MARK: Connections

    /// Carries an accepted socket; its events come under `token`.
    func add(_ socket: Int32, token: UInt64) {
        guard let connection = ForwardedConnection(socket, token: token, session: self) else {
            return
        }
        connections[token] = connection
        if connection.open(target) == SSH_ERROR {
            noteRefusal()
            remove(connection, resetting: true)
        } else {
            opening.append(connection)
        }
    }

    /// A callback has something for `connection` to do.
    func note(_ connection: ForwardedConnection) {
        if connection.isNoted { return }
        connection.isNoted = true
        noted.append(connection)
    }

    /// An event on a connection's socket; false where it is none of ours.
    func handle(_ event: EventLoop.Event) -> Bool {
        guard let connection = connections[event.token] else { return false }
        connection.note(event)
        if event.writable || event.closed { note(connection) }
        queue(connection)
        return true
    }

    private func queue(_ connection: ForwardedConnection) {
        if connection.isQueued || !connection.wantsTurn { return }
        connection.isQueued = true
        ready.append(connection)
    }

    private func remove(_ connection: ForwardedConnection, resetting: Bool) {
        connections[connection.token] = nil
        connection.finish(resetting: resetting)
    }

    /// Ends every connection with a reset.
    func abandon() {
        let all = connections.values
        connections = [:]
        for connection in all { connection.finish(resetting: true) }
        (opening, ready, batch, noted, stalled) = ([], [], [], [], [])
    }

    func takeRefusal() -> Refusal? {
        defer { refusal = nil }
        return refusal
    }

    // MARK: Rounds

    /// An event on the session's own socket.
    func noteSocket(_ event: EventLoop.Event) {
        if event.readable || event.ended { input.arrived(ended: event.ended) }
        if event.writable { isBlocked = false }
    }

    /// Moves what can be moved, until others have to have their turn.
    func round(_ scratch: UnsafeMutableRawBufferPointer, now: Double) {
        readInput()
        settle(scratch)
        if !isBlocked { flush() }
        sendTurns(scratch)
        settle(scratch)
        flush()
        if counter.pointee.in_bytes != seen {
            seen = counter.pointee.in_bytes
            life.heard(at: now)
        }
    }

    /// Whether more could be moved. Not only rounds change that: whatever calls libssh may.
    var isBusy: Bool {
        input.isPending || !noted.isEmpty || settledAt != counter.pointee.in_bytes
            || (!isBlocked && !ready.isEmpty)
    }

    private func readInput() {
        var turns = ForwardingSession.readTurns
        while turns > 0 && input.isPending {
            if ssh_event_dopoll(event, 0) == SSH_ERROR { return }
            turns -= 1
        }
    }

    /// Whether there is more from the server to come before anybody waits.
    var hasMoreInput: Bool { input.isPending }

    /// Does what the packets that came ask for.
    private func settle(_ scratch: UnsafeMutableRawBufferPointer) {
        settleOpenings()
        // Room and the end of a key exchange come by packets; without one there is no use in trying again.
        if settledAt != counter.pointee.in_bytes && !stalled.isEmpty {
            let list = stalled
            stalled = []
            for connection in list {
                connection.unstall()
                queue(connection)
            }
        }
        settledAt = counter.pointee.in_bytes
        while !noted.isEmpty {
            swap(&noted, &spare)
            for connection in spare {
                connection.isNoted = false
                if connection.stage == .over { continue }
                connection.receiveTurn(scratch)
                let (isOver, isBroken) = connection.conclusion
                if isOver { remove(connection, resetting: isBroken) }
            }
            spare.removeAll(keepingCapacity: true)
        }
    }

    private func settleOpenings() {
        if opening.isEmpty { return }
        // A refusal has the channel's number in its words, so a new one always differs.
        let text = session.libraryText
        let hasNews = text != lastErrorText
        lastErrorText = text
        let list = opening
        opening = []
        for connection in list where connection.stage == .opening {
            // Asking libssh again costs a look at the socket, so only where there is a refusal somewhere.
            let code =
                connection.isOpen ? SSH_OK : hasNews ? connection.open(target) : SSH_AGAIN
            switch code {
            case SSH_OK:
                connection.opened()
                note(connection)
                queue(connection)
            case SSH_AGAIN: opening.append(connection)
            default:
                noteRefusal()
                remove(connection, resetting: true)
            }
        }
    }

    /// libssh tells why in words only: `Channel opening failure: channel 43 error (2) Connection refused`.
    private func noteRefusal() {
        let words = session.libraryText
        let digits = words.split(separator: "(").dropFirst().first?.prefix { $0.isNumber } ?? ""
        refusal = Refusal(code: Int(digits) ?? 0, words: words)
    }

    /// Gives connections their turn until the socket is full.
    private func sendTurns(_ scratch: UnsafeMutableRawBufferPointer) {
        let chunk = UnsafeMutableRawBufferPointer(
            rebasing: scratch.prefix(ForwardingSession.chunk))
        swap(&ready, &batch)
        for connection in batch {
            connection.isQueued = false
            if !isBlocked {
                connection.sendTurn(chunk)
                isBlocked = session.hasUnsentBytes
            }
            queue(connection)
        }
        batch.removeAll(keepingCapacity: true)
    }

    /// Sends what libssh holds. What is left waits for an edge, which is sure to come: the kernel has just said no.
    private func flush() {
        if session.hasUnsentBytes { session.flush() }
        isBlocked = session.hasUnsentBytes
    }

    // MARK: Life

    /// Asks a silent server for a sign of life. False where it has not given one for too long.
    func isAlive(at now: Double) -> Bool {
        switch life.judge(at: now) {
        case .fine: return true
        case .dead: return false
        case .ask:
            // libssh forgets the last answer in a call that sends nothing.
            _ = ssh_send_keepalive(handle)
            if life.hasAskedBefore { _ = ssh_send_keepalive(handle) }
            life.asked(at: now)
            lastErrorText = ""
            return true
        }
    }

    /// Asks at once: the network may have changed.
    func suspect() { life.suspect() }

    /// When to look again whether it is alive.
    var nextLook: Double { life.nextLook }
}

/// Answers every request of a server with a refusal.
private func refuseMessage(
    _ session: ssh_session?, _ message: ssh_message?, _ context: UnsafeMutableRawPointer?
) -> Int32 { 1 }
