import LinuxSystem

/// Sessions that take no new connections: each goes on until what it carries has ended, or its time is over.
struct DrainingSessions {
    private var list: [(session: ForwardingSession, until: Double)] = []

    var isEmpty: Bool { list.isEmpty }

    var sessions: some Sequence<ForwardingSession> { list.lazy.map(\.session) }

    /// Whether one of them has more to do at once.
    var isBusy: Bool { list.contains { $0.session.isBusy } }

    /// How many connections they carry.
    var connections: Int { list.reduce(0) { $0 + $1.session.connections.count } }

    /// When one has to be looked at although nothing happens.
    var deadline: Double {
        list.reduce(.infinity) { min($0, $1.session.nextLook, $1.until) }
    }

    mutating func add(_ session: ForwardingSession, until: Double) {
        list.append((session, until))
    }

    /// An event on a session's socket or on one of its connections'; others' are nobody's.
    func take(_ event: EventLoop.Event) {
        for (session, _) in list {
            if session.token == event.token {
                session.noteSocket(event)
                return
            }
            if session.handle(event) { return }
        }
    }

    /// Gives each a round.
    func round(_ scratch: UnsafeMutableRawBufferPointer, now: Double) {
        for (session, _) in list { session.round(scratch, now: now) }
    }

    /// Drops those that have nothing left to carry.
    mutating func dropFinished() {
        if list.isEmpty { return }
        list.removeAll { $0.session.isDead || $0.session.connections.isEmpty }
    }

    /// Drops those whose server is silent or whose time is over.
    mutating func look(at now: Double) {
        if list.isEmpty { return }
        list.removeAll { !$0.session.isAlive(at: now) || $0.until <= now }
    }

    /// Ends every connection that is left with a reset.
    mutating func abandon() {
        for (session, _) in list { session.abandon() }
        list = []
    }
}
