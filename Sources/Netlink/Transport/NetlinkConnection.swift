import Glibc
public import LinuxSystem
import Synchronization

/// Requests and their answers, over any ``NetlinkTransport``.
///
/// Sequence number and port of every message are checked; what belongs to another exchange is passed over. `EINTR` is
/// retried, a dump that the kernel marks as interrupted is read again, and so is one with a datagram that was larger
/// than the buffer, with a larger buffer. After a failure that may have left replies behind, the transport is
/// dropped, and the next request opens a new one.
public final class NetlinkConnection: @unchecked Sendable {
    // Everything below `lock` is touched only while it is held.
    private let open: @Sendable () throws(SystemError) -> any NetlinkTransport
    private let lock = Mutex(())
    private var transport: (any NetlinkTransport)?
    private var sequence: UInt32 = 0
    private var buffer = WipedBuffer(count: 65_536)

    /// How often an interrupted dump is read again.
    private static let attempts = 16
    /// No reply is larger than this.
    private static let largestBuffer = 4 << 20
    /// So many messages of other exchanges are passed over.
    private static let foreignLimit = 10_000

    /// A connection that opens its transport when first used.
    public init(_ open: @escaping @Sendable () throws(SystemError) -> any NetlinkTransport) {
        self.open = open
    }

    /// A connection to one netlink family of this thread's network namespace.
    public convenience init(_ family: NetlinkSocket.Family) {
        self.init { () throws(SystemError) -> any NetlinkTransport in try NetlinkSocket(family) }
    }

    /// The largest message the kernel takes. *Units:* bytes.
    public func messageLimit(_ operation: String, _ subject: String) throws(NetlinkError) -> Int {
        try locked { () throws(NetlinkError) in try opened(operation, subject).messageLimit }
    }

    /// Sends the message in `writer` and hands its replies to `reply` until the kernel acknowledges.
    ///
    /// *Throws:* ``NetlinkError``, with the kernel's extended acknowledgement.
    public func request(
        _ writer: inout NetlinkWriter, _ operation: String, _ subject: String = "",
        reply: (NetlinkMessage) throws(NetlinkError) -> Void = { _ in }
    ) throws(NetlinkError) {
        try locked { () throws(NetlinkError) in
            let outcome = try exchange(&writer, Deed(operation, subject), wiping: false, reply)
            switch outcome {
            case .complete: return
            case .interrupted: throw NetlinkError(.interrupted, operation, subject)
            case .truncated: throw NetlinkError(.truncated, operation, subject)
            }
        }
    }

    /// Reads a whole table: `reply` adds each message to a result, which starts over where the table changed meanwhile.
    ///
    /// - Parameter wiping: whether the messages hold secrets, so that each is wiped once `reply` has seen it.
    public func dump<Table>(
        _ writer: inout NetlinkWriter, _ operation: String, _ subject: String = "",
        wiping: Bool = false, into empty: Table,
        reply: (inout Table, NetlinkMessage) throws(NetlinkError) -> Void
    ) throws(NetlinkError) -> Table {
        var table = empty
        try locked { () throws(NetlinkError) in
            for _ in 0..<Self.attempts {
                let outcome = try exchange(&writer, Deed(operation, subject), wiping: wiping) {
                    (message) throws(NetlinkError) in try reply(&table, message)
                }
                switch outcome {
                case .complete: return
                case .interrupted: break
                case .truncated: try enlarge(Deed(operation, subject))
                }
                table = empty
            }
            throw NetlinkError(.interrupted, operation, subject)
        }
        return table
    }

    // MARK: Inside

    private struct Deed {
        let operation: String
        let subject: String

        init(_ operation: String, _ subject: String) {
            self.operation = operation
            self.subject = subject
        }

        func failed(_ error: SystemError) -> NetlinkError {
            let code: NetlinkError.Code =
                switch error.errno {
                case EAGAIN: .timeout
                case EPERM, EACCES: .denied
                case EMSGSIZE: .tooLarge
                case EAFNOSUPPORT, EPROTONOSUPPORT: .unsupported
                default: .socket
                }
            return NetlinkError(code, operation, subject, errno: error.errno, text: error.operation)
        }
    }

    private enum Outcome {
        case complete
        case interrupted
        case truncated
    }

    private func locked<Result>(_ body: () throws(NetlinkError) -> Result) throws(NetlinkError)
        -> Result
    {
        try lock.withLock { (_) throws(NetlinkError) in try body() }
    }

    private func opened(_ operation: String, _ subject: String) throws(NetlinkError)
        -> any NetlinkTransport
    {
        if let transport { return transport }
        do throws(SystemError) {
            let new = try open()
            transport = new
            return new
        } catch {
            throw Deed(operation, subject).failed(error)
        }
    }

    private func enlarge(_ deed: Deed) throws(NetlinkError) {
        let size = buffer.bytes.count * 2
        if size > Self.largestBuffer {
            throw NetlinkError(.truncated, deed.operation, deed.subject)
        }
        buffer = WipedBuffer(count: size)
    }

    private func exchange(
        _ writer: inout NetlinkWriter, _ deed: Deed, wiping: Bool,
        _ reply: (NetlinkMessage) throws(NetlinkError) -> Void
    ) throws(NetlinkError) -> Outcome {
        if writer.hasOverflowed { throw NetlinkError(.tooLarge, deed.operation, deed.subject) }
        let transport = try opened(deed.operation, deed.subject)
        sequence &+= 1
        writer.seal(sequence: sequence)
        var isFinished = false
        // Replies of an exchange that was given up must not meet the next one.
        defer { if !isFinished { self.transport = nil } }
        do throws(SystemError) {
            try uninterrupted { () throws(SystemError) in
                try writer.withBytes { (bytes) throws(SystemError) in try transport.send(bytes) }
            }
        } catch {
            throw deed.failed(error)
        }
        var state = ExchangeState(isDump: writer.flags & NetlinkFlags.dump == NetlinkFlags.dump)
        while state.answer == nil {
            let size: Int
            do throws(SystemError) {
                size = try uninterrupted { () throws(SystemError) in
                    try transport.receive(into: buffer.bytes)
                }
            } catch {
                if error.errno == ENOSPC { return .truncated }
                if error.errno == ENOBUFS && state.isDump { return .interrupted }
                throw deed.failed(error)
            }
            defer { if wiping { buffer.wipe(first: size) } }
            if size == 0 { throw .malformed(deed.operation, deed.subject, "an empty datagram") }
            let datagram = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<size])
            try read(datagram, port: transport.port, deed, &state, reply)
        }
        isFinished = true
        if let answer = state.answer, answer.errno != 0 {
            throw NetlinkError(deed.operation, deed.subject, answer: answer)
        }
        return state.isInterrupted ? .interrupted : .complete
    }

    private struct ExchangeState {
        let isDump: Bool
        var isInterrupted = false
        var answer: NetlinkAnswer?
        var foreign = 0
    }

    private func read(
        _ datagram: UnsafeRawBufferPointer, port: UInt32, _ deed: Deed,
        _ state: inout ExchangeState,
        _ reply: (NetlinkMessage) throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        var messages = NetlinkMessages(datagram)
        while state.answer == nil, let message = messages.next() {
            guard message.header.sequence == sequence, message.header.port == port else {
                state.foreign += 1
                if state.foreign > Self.foreignLimit {
                    throw .malformed(
                        deed.operation, deed.subject, "too many messages of other requests")
                }
                continue
            }
            if message.header.flags & NetlinkFlags.dumpInterrupted != 0, state.isDump {
                state.isInterrupted = true
            }
            switch message.type {
            case NetlinkControl.noop: break
            case NetlinkControl.overrun: state.isInterrupted = true
            case NetlinkControl.error, NetlinkControl.done:
                guard let answer = NetlinkAnswer(message) else {
                    throw .malformed(deed.operation, deed.subject, "a mangled acknowledgement")
                }
                state.answer = answer
            default:
                // What will be read again need not be looked at.
                if !state.isInterrupted { try reply(message) }
            }
        }
        if let failure = messages.failure {
            throw .malformed(deed.operation, deed.subject, failure)
        }
    }

    private func uninterrupted<Result>(
        _ call: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        while true {
            do throws(SystemError) { return try call() } catch {
                if error.errno != EINTR { throw error }
            }
        }
    }
}
