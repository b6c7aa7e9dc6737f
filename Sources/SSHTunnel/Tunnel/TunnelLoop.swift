import CLinux
import CSSH
import Glibc
import LinuxSystem
import MeshModel

/// A set of descriptors that is handed to the thread that waits for them.
final class TunnelEvents: Sendable {
    let loop: EventLoop
    init(_ loop: consuming EventLoop) { self.loop = loop }
}

/// The life of a tunnel: everything in here belongs to its thread.
final class TunnelLoop {
    private var tunnel: DesiredTunnel
    private var identityFile: String
    private let board: TunnelBoard
    private let inbox: TunnelInbox
    private let events: TunnelEvents
    private let dialBell: Bell
    private let farAway: Double
    /// Pages that are never written cost nothing.
    private let scratch = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ForwardedConnection.wideWindow, alignment: 4096)

    private let entrances: EntranceSet
    private var current: ForwardingSession?
    /// Whether the current session is what ``tunnel`` asks for.
    private var isCurrentRight = false
    private var draining = DrainingSessions()
    private var waiting: [(socket: Int32, until: Double)] = []
    private var dial: TunnelDial?
    private var backoff = Backoff()
    private var nextDial = 0.0
    private var madeAt = 0.0
    private var drainTime = 0.0
    private var sessionTrouble: TunnelProblem?
    private var isRefused = false
    private var hasStood = false
    /// Whether something has come back through the session that stands now.
    private var hasCarried = false
    private var heap = HeapRest()
    private var stopAt: Double?
    private var nextToken: UInt64 = 16

    private static let inboxToken: UInt64 = 0
    private static let dialToken: UInt64 = 1
    /// A session that ended sooner has not shown that the server is well. *Units:* seconds.
    private static let proven = 10.0

    init(
        _ tunnel: DesiredTunnel, identityFile: String, board: TunnelBoard, inbox: TunnelInbox,
        events: TunnelEvents, dialBell: Bell, farAway: Double
    ) {
        self.tunnel = tunnel
        self.identityFile = identityFile
        self.board = board
        self.inbox = inbox
        self.events = events
        self.dialBell = dialBell
        entrances = EntranceSet(events)
        self.farAway = farAway
    }

    deinit { scratch.deallocate() }

    // MARK: The loop

    func start() {
        try? events.loop.add(inbox.bell.number, token: TunnelLoop.inboxToken)
        try? events.loop.add(dialBell.number, token: TunnelLoop.dialToken)
        entrances.become(tunnel.entrances, token: token)
        startDial()
        publish()
    }

    func run() {
        var now = Clocks.monotonic()
        while true {
            let pause = isBusy ? 0 : min(max(0, deadline - now), 3600)
            do throws(SystemError) {
                // Rounded up: waking a moment too early would be waking twice.
                try events.loop.wait(milliseconds: Int32((pause * 1000).rounded(.up))) { take($0) }
            } catch {
                Clocks.sleep(0.01)
            }
            // Before anybody is called dead, what has arrived is heard.
            now = Clocks.monotonic()
            rounds(now: now)
            look(now: now)
            if let stopAt, draining.isEmpty || stopAt <= now { break }
        }
        tearDown()
    }

    private func take(_ event: EventLoop.Event) {
        if let current, current.handle(event) { return }
        switch event.token {
        case TunnelLoop.inboxToken: readInbox()
        case TunnelLoop.dialToken: finishDial()
        case current?.token: current?.noteSocket(event)
        default:
            if entrances.accept(event.token, admit) {
                if let problem = entrances.takeProblem() { board.post { $0.lastError = problem } }
                return
            }
            draining.take(event)
        }
    }

    /// Whether a session has more to do at once.
    private var isBusy: Bool {
        current?.isBusy == true || draining.isBusy
    }

    /// Gives every session a round.
    private func rounds(now: Double) {
        current?.round(scratch, now: now)
        draining.round(scratch, now: now)
        count(now: now)
        if let current, current.isDead { lose("the connection was lost: \(current.libraryText)") }
        if let refusal = current?.takeRefusal() { report(refusal) }
        draining.dropFinished()
    }

    private func count(now: Double) {
        var sent: UInt64 = 0
        var received: UInt64 = 0
        var connections = waiting.count
        func add(_ session: ForwardingSession) {
            sent += session.sent
            received += session.received
            (session.sent, session.received) = (0, 0)
            connections += session.connections.count
        }
        if let current {
            if current.received > 0 { hasCarried = true }
            add(current)
        }
        for session in draining.sessions { add(session) }
        heap.note(sent &+ received, at: now)
        board.count(
            connections: connections,
            draining: draining.connections, sent: sent, received: received)
    }

    /// When something has to be looked at although nothing happens.
    private var deadline: Double {
        var first = min(
            entrances.deadline, draining.deadline, stopAt ?? .infinity, heap.deadline)
        if let current { first = min(first, current.nextLook) }
        if needsSession && dial == nil { first = min(first, nextDial) }
        if let caller = waiting.first { first = min(first, caller.until) }
        return first
    }

    private func look(now: Double) {
        if let current, !current.isAlive(at: now) { lose("the server has not answered for 13 s") }
        draining.look(at: now)
        while let first = waiting.first, first.until <= now { refuse(waiting.removeFirst().socket) }
        if entrances.look(now: now) { publish() }
        heap.look(at: now)
        if needsSession && dial == nil && now >= nextDial { startDial() }
    }

    // MARK: Commands

    private func readInbox() {
        for letter in inbox.take() {
            switch letter.command {
            case .wake: wake()
            case .restart:
                if current != nil { lose(nil) }
                wake()
            case .change(let new, let file, let drain):
                change(to: new, identityFile: file, drain: drain)
            case .stop(let drain): stop(drain: drain)
            }
            letter.receipt?.ring()
        }
    }

    private func wake() {
        backoff.reset()
        nextDial = 0
        entrances.hurry()
        current?.suspect()
        // It may have logged in before the server learnt what this tunnel may reach.
        if current != nil && !hasCarried {
            isCurrentRight = false
            publish()
        }
        // An attempt that hangs may hang on what has just changed.
        if let dial, Clocks.monotonic() - dial.started > 1 { self.dial = nil }
    }

    private func change(to new: DesiredTunnel, identityFile file: String, drain: Double) {
        if stopAt != nil { return }
        let old = tunnel
        // A session whose server has proven a key that is still accepted is right whatever other keys are.
        let isAccepted =
            old.hostKeys == new.hostKeys
            || isCurrentRight
                && (current.map { new.hostKeys.contains($0.algorithms.hostKey) } ?? false)
        let isSame =
            old.server == new.server && old.user == new.user && isAccepted
            && old.clientKey == new.clientKey && identityFile == file
        tunnel = new
        identityFile = file
        drainTime = drain
        if isSame {
            current?.target = new.target
        } else {
            dial = nil
            isCurrentRight = false
            isRefused = false
            backoff.reset()
            nextDial = 0
        }
        entrances.become(tunnel.entrances, token: token)
        publish()
    }

    private func stop(drain: Double) {
        let now = Clocks.monotonic()
        if stopAt == nil {
            entrances.become([], token: token)
            dial = nil
            for (socket, _) in waiting { refuse(socket) }
            waiting = []
            if let current { draining.add(current, until: .infinity) }
            current = nil
        }
        stopAt = min(stopAt ?? .infinity, now + max(0, drain))
        draining.dropFinished()
        publish()
    }

    private func tearDown() {
        draining.abandon()
        count(now: Clocks.monotonic())
        publish()
    }

    // MARK: Callers

    private func admit(_ socket: Int32) {
        board.countAccepted()
        let now = Clocks.monotonic()
        if let current {
            carry(socket, current)
        } else if let dial, now - dial.started < Tunnel.grace {
            waiting.append((socket, now + Tunnel.grace))
        } else {
            refuse(socket)
        }
    }

    private func carry(_ socket: Int32, _ session: ForwardingSession) {
        let token = token()
        do throws(SystemError) {
            try events.loop.addEdges(socket, token: token)
            session.add(socket, token: token)
        } catch {
            refuse(socket)
        }
    }

    private func refuse(_ socket: Int32) {
        _ = cl_reset_on_close(socket)
        close(socket)
    }

    // MARK: The session

    private var needsSession: Bool { stopAt == nil && (current == nil || !isCurrentRight) }

    private func startDial() {
        do throws(SystemError) {
            dial = try TunnelDial(tunnel, identityFile: identityFile, bell: dialBell)
        } catch {
            later(
                TunnelFailure(
                    SSHError(.library, "connect", tunnel.server.description, "\(error)"),
                    at: Clocks.wall()))
        }
    }

    private func finishDial() {
        dialBell.silence()
        guard let outcome = dial?.take() else { return }
        dial = nil
        switch outcome {
        case .made(let session, let algorithms): install(session, algorithms)
        case .failed(let failure): later(failure)
        }
        publish()
    }

    private func install(_ session: SSHSession, _ algorithms: TunnelAlgorithms) {
        let now = Clocks.monotonic()
        let token = token()
        guard
            let new = ForwardingSession(
                session, algorithms, target: tunnel.target, token: token,
                isFar: session.roundTrip >= farAway, now: now),
            (try? events.loop.addEdges(new.descriptor, token: token)) != nil
        else {
            nextDial = now + Backoff.lasting
            return
        }
        if let current {
            draining.add(current, until: now + drainTime)
        } else if hasStood {
            board.post { $0.reconnects += 1 }
        }
        current = new
        isCurrentRight = true
        isRefused = false
        hasStood = true
        hasCarried = false
        madeAt = now
        let callers = waiting
        waiting = []
        for (socket, _) in callers { carry(socket, new) }
    }

    /// The next attempt comes after a pause.
    private func later(_ failure: TunnelFailure) {
        isRefused = failure.isLasting
        let pause = backoff.next(
            isLasting: failure.isLasting, chance: Double.random(in: 0...1))
        nextDial = Clocks.monotonic() + pause
        sessionTrouble = failure.problem
        board.post { $0.lastError = failure.problem }
        publish()
    }

    /// Ends the session with its connections; `reason` is nil where somebody asked for that.
    private func lose(_ reason: String?) {
        guard let lost = current else { return }
        // Told first: who is cut off and looks must not find a tunnel that is up.
        defer { lost.abandon() }
        current = nil
        if Clocks.monotonic() - madeAt > TunnelLoop.proven || reason == nil { backoff.reset() }
        if let reason {
            later(
                TunnelFailure(
                    SSHError(.lost, "session", lost.subject, reason), at: Clocks.wall()))
        }
        count(now: Clocks.monotonic())
        publish()
    }

    private func report(_ refusal: ForwardingSession.Refusal) {
        let target = "\(tunnel.target) on \(tunnel.node)"
        let problem: TunnelProblem
        switch refusal.code {
        case 1:
            problem = TunnelProblem(
                at: Clocks.wall(), code: .targetForbidden,
                message: "the server forbids connections to \(target)",
                fix: "run meshproof up, so that \(tunnel.node) learns what this node may reach")
            loginAnew(problem)
        case 2:
            problem = TunnelProblem(
                at: Clocks.wall(), code: .targetRefused,
                message: "nothing answers at \(target)",
                fix: "start the service there, and check its port and bind address")
        default:
            problem = TunnelProblem(
                at: Clocks.wall(), code: .unexpected,
                message: "no connection to \(target): \(refusal.words)",
                fix: "look at the log of that node's tunnel server")
        }
        board.post { $0.lastError = problem }
    }

    /// sshd reads what a key may reach when it logs in: a session that is older than its grant is never let through.
    /// So another one is made, after a pause, and this one only ends what it carries.
    private func loginAnew(_ problem: TunnelProblem) {
        guard isCurrentRight else { return }
        if Clocks.monotonic() - madeAt > TunnelLoop.proven { backoff.reset() }
        isCurrentRight = false
        later(TunnelFailure(problem, isLasting: false))
    }

    // MARK: Telling

    private func token() -> UInt64 {
        nextToken += 1
        return nextToken
    }

    private func publish() {
        let state: ObservedTunnel.State
        if entrances.isBlocked {
            state = .blocked
        } else if current != nil && isCurrentRight {
            state = .up
        } else {
            state = isRefused ? .refused : .connecting
        }
        if current != nil && isCurrentRight { sessionTrouble = nil }
        let listening = entrances.listening
        let problem = entrances.takeProblem()
        let problems = entrances.problems + [sessionTrouble].compactMap(\.self)
        board.post { observed in
            if let problem { observed.lastError = problem }
            observed.tunnel = tunnel
            if observed.state != state { observed.since = Clocks.wall() }
            observed.state = state
            observed.listening = listening
            observed.algorithms = current?.algorithms
            observed.problems = problems
        }
    }
}
