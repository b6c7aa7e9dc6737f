import CLinux
import CSSH
import Glibc
import LinuxSystem
import MeshModel

/// One application's connection and the channel that carries it.
///
/// Belongs to the thread of its ``ForwardingSession``. libssh's callbacks run inside almost any call of libssh, so they
/// only move bytes to the application's socket and take notes; everything that calls libssh again happens in a turn.
/// Bytes for the application stay in libssh's buffer while its socket is full, and the server gets no more room. So a
/// connection holds what it was granted at most: 1.92 MB, or ``wideWindow`` where the server is far and the
/// application reads fast. Bytes
/// from the application are read only when the server has granted room for them.
final class ForwardedConnection {
    /// How far it has come.
    enum Stage { case opening, open, over }

    /// What the server may have under way to an application that keeps up: enough for 80 MB/s over 50 ms, where libssh's
    /// own 1.28 MB would make 25. *Units:* bytes.
    static let wideWindow = 4 << 20
    /// What is gathered for the application while more is coming, so that it is woken once for several packets.
    /// *Units:* bytes.
    private static let gathered = 256 << 10
    /// What has to arrive before the window is made that wide again.
    private static let widenAfter = 1 << 20

    let token: UInt64
    private(set) var stage = Stage.opening
    /// Whether it is in the session's list of those whose turn comes.
    var isQueued = false
    /// Whether it is in the session's list of those about which a callback took notes.
    var isNoted = false
    /// Whether it waits for room at the server, or for the end of a key exchange.
    var isStalled = false
    private(set) var hasFailed = false

    private let socket: Int32
    private let channel: ssh_channel
    private let callbacks: UnsafeMutablePointer<ssh_channel_callbacks_struct>
    private unowned let session: ForwardingSession

    // From the application.
    private var isReadable = true
    private var peerEnded = false
    private var isGone = false
    private var readEnd = false
    private var sentEnd = false
    private var unsent: [UInt8] = []
    // To the application.
    private var isWritable = true
    private var inLibrary = 0
    private var sinceWidened = 0
    private var pending: ArraySlice<UInt8> = []
    private var remoteEnd = false
    private var remoteClosed = false
    private var passedEnd = false

    /// Takes over an accepted, non-blocking socket; nil where libssh has no more channels, with the socket closed.
    init?(_ socket: Int32, token: UInt64, session: ForwardingSession) {
        guard let channel = ssh_channel_new(session.handle) else {
            _ = cl_reset_on_close(socket)
            close(socket)
            return nil
        }
        self.socket = socket
        self.channel = channel
        self.token = token
        self.session = session
        callbacks = .allocate(capacity: 1)
        callbacks.initialize(to: ssh_channel_callbacks_struct())
        callbacks.pointee.size = MemoryLayout<ssh_channel_callbacks_struct>.size
        callbacks.pointee.userdata = Unmanaged.passUnretained(self).toOpaque()
        callbacks.pointee.channel_data_function = takeData
        callbacks.pointee.channel_eof_function = noteEnd
        callbacks.pointee.channel_close_function = noteClose
        ssh_set_channel_callbacks(channel, callbacks)
    }

    deinit {
        if stage != .over { finish(resetting: true) }
        callbacks.deallocate()
    }

    // MARK: Opening

    /// Asks for the target, or whether there is an answer by now: SSH_OK, SSH_AGAIN or SSH_ERROR.
    func open(_ target: TunnelEnd) -> Int32 {
        // The server logs where a connection comes from; that it came through the tunnel is all there is to say.
        switch target {
        case .tcp(let end):
            ssh_channel_open_forward(
                channel, end.address.description, Int32(end.port), "127.0.0.1", 0)
        case .unix(let path):
            ssh_channel_open_forward_unix(channel, path, "127.0.0.1", 0)
        }
    }

    /// Whether the server has opened it. Costs nothing, while ``open(_:)`` looks at the socket.
    var isOpen: Bool { ssh_channel_is_open(channel) != 0 }

    func opened() { stage = .open }

    // MARK: Readiness

    /// What epoll says of the application's socket.
    func note(_ event: EventLoop.Event) {
        if event.readable || event.ended { isReadable = true }
        if event.writable { isWritable = true }
        if event.ended { peerEnded = true }
        if event.closed { isGone = true }
    }

    /// Whether a turn could send something.
    var wantsTurn: Bool {
        stage == .open && !hasFailed && !isStalled && !sentEnd && !remoteClosed
            && (isReadable || !unsent.isEmpty)
    }

    // MARK: From the application to the service

    /// Sends what `scratch` holds at most.
    func sendTurn(_ scratch: UnsafeMutableRawBufferPointer) {
        guard wantsTurn else { return }
        if !unsent.isEmpty {
            let sent = unsent.withUnsafeBytes { write(UnsafeRawBufferPointer($0)) }
            unsent.removeFirst(sent)
            if !unsent.isEmpty || hasFailed { return }
        }
        if !readEnd && isReadable {
            let room = Int(ssh_channel_window_size(channel))
            if room == 0 {
                stall()
                return
            }
            read(into: UnsafeMutableRawBufferPointer(rebasing: scratch.prefix(room)))
        }
        if readEnd && unsent.isEmpty && !sentEnd && !hasFailed {
            sentEnd = true
            _ = ssh_channel_send_eof(channel)
            session.note(self)
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) {
        let (count, code) = retrying { Glibc.read(socket, buffer.baseAddress, buffer.count) }
        if count < 0 {
            isReadable = false
            if code != EAGAIN { fail() }
            return
        }
        if count == 0 {
            readEnd = true
            isReadable = false
            return
        }
        // A short read has emptied the socket: epoll tells when there is more. An end that it has told of already
        // has to be read.
        if count < buffer.count && !peerEnded { isReadable = false }
        let bytes = UnsafeRawBufferPointer(start: buffer.baseAddress, count: count)
        let sent = write(bytes)
        if sent < count { unsent.append(contentsOf: bytes[sent...]) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        let code = Int(ssh_channel_write(channel, bytes.baseAddress, UInt32(bytes.count)))
        if code < 0 {
            // The server closed the channel, which a callback has noted, or the session is over.
            if !remoteClosed { fail() }
            return bytes.count
        }
        session.sent &+= UInt64(code)
        if code < bytes.count { stall() }
        return code
    }

    private func stall() {
        isStalled = true
        session.stalled.append(self)
    }

    /// Looks again after the server has said something.
    func unstall() { isStalled = false }

    // MARK: From the service to the application

    /// A callback: takes what the socket has room for and leaves the rest with libssh.
    fileprivate func take(_ data: UnsafeRawPointer, _ count: Int) -> Int {
        if hasFailed || stage == .over { return count }
        inLibrary = count
        if !isWritable || !pending.isEmpty { return 0 }
        if count < ForwardedConnection.gathered && session.hasMoreInput {
            session.note(self)
            return 0
        }
        let taken = put(UnsafeRawBufferPointer(start: data, count: count))
        inLibrary = count - taken
        sinceWidened += taken
        if sinceWidened >= ForwardedConnection.widenAfter { session.note(self) }
        return taken
    }

    fileprivate func end() {
        remoteEnd = true
        session.note(self)
    }

    fileprivate func closed() {
        remoteClosed = true
        session.note(self)
    }

    /// Writes to the application's socket as far as it has room; all of it where the application is gone.
    private func put(_ bytes: UnsafeRawBufferPointer) -> Int {
        let (count, code) = retrying {
            send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        if count == bytes.count {
            session.received &+= UInt64(count)
            return count
        }
        if count < 0 && code != EAGAIN {
            fail()
            return bytes.count
        }
        isWritable = false
        session.received &+= UInt64(max(0, count))
        return max(0, count)
    }

    /// Moves what libssh has kept, and passes the end on after the last byte.
    func receiveTurn(_ scratch: UnsafeMutableRawBufferPointer) {
        widen(scratch)
        while isWritable && !hasFailed {
            if !pending.isEmpty {
                let taken = pending.withUnsafeBytes { put($0) }
                pending.removeFirst(taken)
                if pending.isEmpty { pending = [] }
                continue
            }
            if inLibrary == 0 { break }
            let count = ssh_channel_read_nonblocking(
                channel, scratch.baseAddress,
                UInt32(min(ForwardingSession.chunk, inLibrary)), 0)
            if count <= 0 {
                // Only where the session has ended under it.
                if count < 0 { fail() }
                inLibrary = 0
                break
            }
            pass(scratch, Int(count))
        }
        if remoteEnd && isDelivered && !passedEnd && !hasFailed {
            passedEnd = true
            shutdown(socket, Int32(SHUT_WR))
        }
    }

    /// Passes on what libssh has handed out.
    private func pass(_ scratch: UnsafeMutableRawBufferPointer, _ count: Int) {
        inLibrary -= count
        let bytes = UnsafeRawBufferPointer(rebasing: scratch.prefix(count))
        let taken = put(bytes)
        if taken < count { pending = ArraySlice(bytes[taken...]) }
    }

    /// Grants the server more room than libssh would by itself, to an application that has nothing left to read.
    ///
    /// libssh makes the window as wide as the read that it is asked for, so `scratch` has to be as large.
    private func widen(_ scratch: UnsafeMutableRawBufferPointer) {
        guard sinceWidened >= ForwardedConnection.widenAfter, isDelivered, isWritable,
            stage == .open,
            !remoteEnd, !remoteClosed
        else { return }
        sinceWidened = 0
        if !session.isFar { return }
        let count = ssh_channel_read_timeout(
            channel, scratch.baseAddress, UInt32(scratch.count), 0, 0)
        if count > 0 { pass(scratch, Int(count)) }
    }

    private var isDelivered: Bool { pending.isEmpty && inLibrary == 0 }

    // MARK: The end

    private func fail() {
        hasFailed = true
        session.note(self)
    }

    /// Whether it is over, and whether the application must learn that it did not end properly.
    var conclusion: (isOver: Bool, isBroken: Bool) {
        if hasFailed { return (true, true) }
        if remoteClosed && !remoteEnd { return (true, true) }
        if remoteClosed && isDelivered { return (true, false) }
        // Nobody is left to read, and all that was written has been sent.
        if isGone && sentEnd && !passedEnd { return (true, true) }
        return (sentEnd && passedEnd, false)
    }

    /// Closes both sides. Not to be called from a callback.
    ///
    /// A reset tells the application that bytes may be missing. The server has no such word: it passes every end of a
    /// channel on as an orderly one.
    func finish(resetting: Bool) {
        if stage == .over { return }
        let wasOpening = stage == .opening
        stage = .over
        if resetting { _ = cl_reset_on_close(socket) }
        close(socket)
        ssh_remove_channel_callbacks(channel, callbacks)
        if !wasOpening || isOpen {
            // Where the session's socket is full, ssh_channel_close sends the end alone and comes back: the server would
            // keep the channel for ever.
            _ = ssh_channel_send_eof(channel)
            _ = ssh_channel_close(channel)
        }
        ssh_channel_free(channel)
    }

    private func retrying(_ call: () -> Int) -> (count: Int, errno: Int32) {
        while true {
            let count = call()
            if count >= 0 { return (count, 0) }
            let code = errno
            if code != EINTR { return (count, code) }
        }
    }
}

private func connection(_ context: UnsafeMutableRawPointer?) -> ForwardedConnection? {
    context.map { Unmanaged<ForwardedConnection>.fromOpaque($0).takeUnretainedValue() }
}

private func takeData(
    _ session: ssh_session?, _ channel: ssh_channel?, _ data: UnsafeMutableRawPointer?,
    _ count: UInt32, _ isError: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    // Forwarded channels have one stream only.
    guard let data, isError == 0, let connection = connection(context) else { return Int32(count) }
    return Int32(connection.take(data, Int(count)))
}

private func noteEnd(
    _ session: ssh_session?, _ channel: ssh_channel?, _ context: UnsafeMutableRawPointer?
) {
    connection(context)?.end()
}

private func noteClose(
    _ session: ssh_session?, _ channel: ssh_channel?, _ context: UnsafeMutableRawPointer?
) {
    connection(context)?.closed()
}
