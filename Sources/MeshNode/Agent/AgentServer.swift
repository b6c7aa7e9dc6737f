import CLinux
import Glibc
import LinuxSystem
import MeshModel
import NodeProtocol

/// Tells that something changed in the kernel; a test puts a pipe here.
package protocol KernelEvents: AnyObject {
    /// Readable once something has come.
    var descriptor: Int32 { get }
    /// Takes what has come; true where something has, or may have been lost.
    func drain() -> Bool
}

/// The agent's one thread: socket, kernel events, signals, names and time around an ``AgentCore``.
package final class AgentServer {
    /// Controllers at a time; root needs no more.
    package static let connectionLimit = 16

    private let core: AgentCore
    private let log: NodeLog
    private let events: any KernelEvents
    private let manager: ServiceManager
    private let listener: Descriptor
    private let signals: Descriptor
    private let resolver: NameResolver
    private let fetcher: MailFetcher
    private let mail: MailServer
    private let loop: EventLoop
    private let trusted: UInt32
    private var connections: [UInt64: Connection] = [:]
    private var nextNumber = Token.firstConnection
    private var nextWatchdog: Double
    private var isStopping = false

    private enum Token {
        static let listener: UInt64 = 0
        static let events: UInt64 = 1
        static let signals: UInt64 = 2
        static let names: UInt64 = 3
        static let replies: UInt64 = 4
        static let calls: UInt64 = 5
        static let firstConnection: UInt64 = 16
    }

    /// A server at `socketPath` for a core; the caller holds the agent's lock.
    package init(
        core: AgentCore, socketPath: String, events: any KernelEvents, manager: ServiceManager,
        log: NodeLog, trusting user: UInt32 = 0
    ) throws(NodeError) {
        self.core = core
        self.events = events
        self.manager = manager
        self.log = log
        trusted = user
        nextWatchdog = manager.watchdogInterval.map { Clocks.monotonic() + $0 } ?? .infinity
        cl_ignore_sigpipe()
        listener = try AgentSocket.listen(socketPath)
        do {
            let numbers: [Int32] = [SIGTERM, SIGINT, SIGHUP]
            signals = Descriptor(owning: try check("signalfd") { cl_signalfd(numbers, 3) })
            resolver = try NameResolver()
            fetcher = try MailFetcher()
            mail = try MailServer()
            loop = try EventLoop()
            try loop.add(listener.number, token: Token.listener)
            try loop.add(events.descriptor, token: Token.events)
            try loop.add(signals.number, token: Token.signals)
            try loop.add(resolver.descriptor, token: Token.names)
            try loop.add(fetcher.descriptor, token: Token.replies)
            try loop.add(mail.descriptor, token: Token.calls)
        } catch {
            throw NodeError("start agent", error)
        }
    }

    /// Serves until a signal, or `down`, ends it. The data plane stays as it is.
    package func run() throws(NodeError) {
        defer { mail.stop() }
        try core.start(at: .now())
        manager.ready()
        while !isFinished {
            let events: [EventLoop.Event]
            do { events = try loop.wait(milliseconds: pause(until: nextWake())) } catch {
                throw NodeError("wait", error)
            }
            for event in events { handle(event) }
            keepTime()
        }
        manager.stopping()
        log.notice(
            core.isEnding ? "the mesh is gone; ending" : "ending; the data plane stays as it is")
    }

    private var isFinished: Bool {
        isStopping || (core.isEnding && !connections.values.contains { $0.isSending })
    }

    // MARK: time

    private func nextWake() -> Double {
        var wake = min(nextWatchdog, connections.values.map(\.deadline).min() ?? .infinity)
        // After `down` nothing may be mended any more; only the answer goes out.
        if !core.isEnding {
            wake = min(wake, resolver.isBusy ? coreWake() : core.nextWake)
            // One that is busy rings its bell.
            if !fetcher.isBusy { wake = min(wake, core.mailDue) }
        }
        return wake
    }

    /// A name that is due while the resolver is busy must not keep us awake; its answer rings the bell.
    private func coreWake() -> Double {
        max(core.nextWake, Clocks.monotonic() + AgentCore.settleTime)
    }

    private func pause(until wake: Double) -> Int32 {
        let left = wake - Clocks.monotonic()
        // Rounded up, so that it is not woken a moment too early to do anything.
        return left <= 0 ? 0 : Int32(min((left * 1000).rounded(.up), 3_600_000))
    }

    private func keepTime() {
        let now = Moment.now()
        if now.monotonic >= nextWatchdog, let interval = manager.watchdogInterval {
            manager.watchdog()
            nextWatchdog = now.monotonic + interval
        }
        for connection in connections.values where now.monotonic >= connection.deadline {
            close(connection)
        }
        if core.isEnding { return }
        core.tick(at: now)
        mail.follow(core.mailTable)
        fetchMail(at: now)
        if !resolver.isBusy {
            let names = core.namesToResolve(at: now)
            if names.isEmpty { return }
            do { try resolver.ask(names) } catch { log.warning("cannot resolve names: \(error)") }
        }
    }

    private func fetchMail(at now: Moment) {
        if fetcher.isBusy { return }
        let errands = core.mailToAsk(at: now, chance: .random(in: 0..<1))
        if errands.isEmpty { return }
        do { try fetcher.send(errands) } catch { log.warning("cannot ask for mail: \(error)") }
    }

    // MARK: events

    private func handle(_ event: EventLoop.Event) {
        switch event.token {
        case Token.listener: accept()
        case Token.events:
            if events.drain() {
                core.kernelChanged(at: .now())
                mail.look()
            }
        case Token.signals: signal()
        case Token.replies:
            let replies = fetcher.collect()
            if !core.isEnding { for reply in replies { core.mailReplied(reply, at: .now()) } }
        case Token.calls:
            let (calls, trouble) = mail.collect()
            if !core.isEnding { core.heardCalls(calls, trouble: trouble, at: .now()) }
        case Token.names: core.resolved(resolver.collect(), at: .now())
        default: if let connection = connections[event.token] { serve(connection, event) }
        }
    }

    private func signal() {
        while true {
            switch cl_signalfd_read(signals.number) {
            case SIGHUP:
                log.notice("SIGHUP: looking again")
                core.refresh(at: .now())
            case let number where number > 0: isStopping = true
            default: return
            }
        }
    }

    private func accept() {
        while let socket = AgentSocket.accept(listener.number, trusting: trusted) {
            // Above the limit the newest is turned away, so that what is under way goes on.
            guard connections.count < Self.connectionLimit else { continue }
            let connection = Connection(
                number: nextNumber, socket: socket, now: Clocks.monotonic())
            nextNumber += 1
            do { try loop.add(connection.socket.number, token: connection.number) } catch {
                continue
            }
            connections[connection.number] = connection
        }
    }

    private func close(_ connection: Connection) {
        loop.remove(connection.socket.number)
        connections[connection.number] = nil
    }

    private func serve(_ connection: Connection, _ event: EventLoop.Event) {
        let now = Clocks.monotonic()
        var isAlive = true
        if connection.isSending { isAlive = connection.flush(now: now) }
        var isAtEnd = false
        if isAlive, !connection.isSending, event.readable || event.closed {
            isAtEnd = !connection.receive(now: now)
        }
        while isAlive, !connection.isSending, !connection.isClosing, !core.isEnding {
            do throws(ProtocolError) {
                guard let request = try connection.next() else { break }
                isAlive = connection.send(reply(to: request, on: connection), now: now)
            } catch {
                // After bytes that are no frame or no request, nothing that follows can be trusted.
                connection.isClosing = true
                isAlive = connection.send(.refused(error), now: now)
            }
        }
        if !isAlive || isAtEnd || (connection.isClosing && !connection.isSending) {
            close(connection)
            return
        }
        try? loop.modify(
            connection.socket.number, token: connection.number, reading: !connection.isSending,
            writing: connection.isSending)
    }

    private func reply(to request: Request, on connection: Connection) -> Response {
        if !connection.isGreeted {
            guard case .hello = request else {
                connection.isClosing = true
                return .refused(ProtocolError(.version, "say hello first"))
            }
        }
        let response = core.answer(request, from: connection.number, at: .now())
        switch response {
        case .hello: connection.isGreeted = true
        case .refused where !connection.isGreeted: connection.isClosing = true
        default: break
        }
        return response
    }
}
