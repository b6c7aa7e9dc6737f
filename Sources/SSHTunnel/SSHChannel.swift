import CSSH
import Glibc
public import LinuxSystem

/// A command that runs on the server, with its standard input, output and errors.
///
/// Belongs to the thread of its ``SSHClient``, and keeps the session alive. Deadlines are points on
/// ``LinuxSystem/Clocks/monotonic()``. Closing, or letting go of it, does not wait for the command.
public final class SSHChannel {
    private let session: SSHSession
    private let handle: ssh_channel
    private let outcome = CommandOutcome()
    private let callbacks = UnsafeMutablePointer<ssh_channel_callbacks_struct>.allocate(capacity: 1)
    private let errorLimit: Int
    private var errors: [UInt8] = []
    private var sentEnd = false

    /// What the server's packets hold at most, so that one write makes whole packets.
    static let chunk = 32_768

    init(
        _ session: SSHSession, command: String, errorLimit: Int, deadline: Double
    ) throws(SSHError) {
        guard let handle = ssh_channel_new(session.handle) else {
            callbacks.deallocate()
            throw session.lost("run")
        }
        self.session = session
        self.handle = handle
        self.errorLimit = errorLimit
        callbacks.initialize(to: ssh_channel_callbacks_struct())
        callbacks.pointee.size = MemoryLayout<ssh_channel_callbacks_struct>.size
        callbacks.pointee.userdata = Unmanaged.passUnretained(outcome).toOpaque()
        callbacks.pointee.channel_data_function = noteData
        callbacks.pointee.channel_exit_status_function = noteExitStatus
        callbacks.pointee.channel_exit_signal_function = noteExitSignal
        ssh_set_channel_callbacks(handle, callbacks)
        if try session.drive("run", until: deadline, { ssh_channel_open_session(handle) }) != SSH_OK
        {
            throw refusal("the server opens no more sessions")
        }
        if try session.drive("run", until: deadline, { ssh_channel_request_exec(handle, command) })
            != SSH_OK
        {
            throw refusal("the server does not run commands for this key")
        }
    }

    deinit {
        // libssh may keep the channel until the server has closed it, and must not call back by then.
        ssh_remove_channel_callbacks(handle, callbacks)
        ssh_channel_free(handle)
        callbacks.deallocate()
    }

    private func refusal(_ words: String) -> SSHError {
        if ssh_get_fd(session.handle) < 0 { return session.lost("run") }
        return SSHError(
            .command, "run", session.subject, "\(words): \(session.libraryText)",
            hint: "check MaxSessions, ForceCommand and restrict in the server's configuration")
    }

    // MARK: Reading

    /// The next bytes of standard output, at most 64 KiB; empty at its end.
    ///
    /// *Throws:* `timeout` at the deadline, `lost` where the connection ends before the command does.
    public func read(deadline: Double) throws(SSHError) -> [UInt8] {
        while true {
            if let bytes = try readNow() { return bytes }
            try session.wait("read", until: deadline)
        }
    }

    /// Standard output as far as it has arrived: nil where nothing has, empty at its end.
    func readNow() throws(SSHError) -> [UInt8]? {
        var code: Int32
        repeat {
            outcome.hasNewData = false
            let bytes: [UInt8]
            (bytes, code) = take(fromErrors: false)
            if code > 0 { return bytes }
            drainErrors()
            // A look at one stream takes the other's packets off the socket too. The socket is silent then, so that
            // who waits for it before reading them would wait for nothing.
        } while outcome.hasNewData
        if code == SSH_EOF { return [] }
        if code < 0 || ssh_channel_is_closed(handle) != 0 {
            // A server that has told the exit status and closed has ended properly, with or without an EOF.
            if outcome.status != nil || ssh_channel_is_eof(handle) != 0 { return [] }
            if code < 0 || ssh_get_fd(session.handle) < 0 { throw session.lost("read") }
            return []
        }
        return nil
    }

    private func drainErrors() {
        while true {
            let (bytes, code) = take(fromErrors: true)
            if code <= 0 { return }
            errors += bytes.prefix(max(0, errorLimit - errors.count))
        }
    }

    private func take(fromErrors: Bool) -> ([UInt8], Int32) {
        var code: Int32 = 0
        let handle = self.handle
        let bytes = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            code = ssh_channel_read_nonblocking(
                handle, buffer.baseAddress, UInt32(buffer.count), fromErrors ? 1 : 0)
            count = max(0, Int(code))
        }
        return (bytes, code)
    }

    // MARK: Writing

    /// Sends all of `bytes` to standard input, waiting where the command reads slowly.
    ///
    /// *Throws:* `timeout` at the deadline; `lost` where the command has closed its standard input.
    public func write(_ bytes: [UInt8], deadline: Double) throws(SSHError) {
        var offset = 0
        while offset < bytes.count || session.hasUnsentBytes {
            switch try writeNow(bytes[offset...]) {
            case .sent(let count): offset += count
            case .blocked: try session.wait("write", until: deadline)
            case .closed:
                throw SSHError(
                    .lost, "write", session.subject, "the command reads no more", hint: nil)
            }
        }
    }

    /// What a write came to.
    enum WriteResult: Equatable {
        case sent(Int)
        case blocked
        case closed
    }

    /// Sends one chunk if there is room for it.
    func writeNow(_ bytes: ArraySlice<UInt8>) throws(SSHError) -> WriteResult {
        if session.hasUnsentBytes {
            session.flush()
            if ssh_get_fd(session.handle) < 0 { throw session.lost("write") }
            if session.hasUnsentBytes { return .blocked }
        }
        if bytes.isEmpty { return .sent(0) }
        let handle = self.handle
        let code = bytes.prefix(SSHChannel.chunk).withUnsafeBufferPointer {
            ssh_channel_write(handle, $0.baseAddress, UInt32($0.count))
        }
        if code > 0 { return .sent(Int(code)) }
        if code == 0 { return .blocked }
        if ssh_get_fd(session.handle) < 0 { throw session.lost("write") }
        return .closed
    }

    /// Ends standard input; output can still be read. *Idempotency:* a second call does nothing.
    public func closeInput() {
        if !sentEnd { _ = ssh_channel_send_eof(handle) }
        sentEnd = true
    }

    // MARK: The end

    /// How the command ended, as far as is known.
    public var exitStatus: ExitStatus? { outcome.status }

    /// Standard error so far, up to the limit that was asked for.
    public var errorBytes: [UInt8] { errors }

    /// Standard error so far, as text without the last newline.
    public var errorText: String {
        CommandResult(status: .code(0), output: [], errors: errors).errorText
    }

    /// Discards what is left of the output and waits for the exit status.
    public func finish(deadline: Double) throws(SSHError) -> ExitStatus {
        while true {
            if let bytes = try readNow(), bytes.isEmpty, let status = try statusNow() {
                return status
            }
            if outcome.status == nil { try session.wait("run", until: deadline) }
        }
    }

    /// The exit status once it has arrived. *Throws:* `lost` where the channel closed without one.
    func statusNow() throws(SSHError) -> ExitStatus? {
        if let status = outcome.status { return status }
        // After the end of the output only this call still looks at the socket.
        _ = ssh_channel_get_exit_status(handle)
        if let status = outcome.status { return status }
        if ssh_channel_is_closed(handle) != 0 || ssh_get_fd(session.handle) < 0 {
            throw SSHError(
                .lost, "run", session.subject, "the command ended without an exit status",
                hint: "the connection or sshd was cut off: check the host, then run it again")
        }
        return nil
    }

    /// Asks the server to kill the command.
    ///
    /// OpenSSH does so for everybody but root, whose sessions it does not separate; there the command only loses
    /// its pipes when the channel closes.
    func kill() {
        _ = ssh_channel_request_send_signal(handle, "KILL")
    }

    /// Closes the channel without waiting.
    public func close() {
        _ = ssh_channel_close(handle)
    }
}

/// What libssh's callbacks say of a command: how it ended, and whether data came since the flag was last cleared.
private final class CommandOutcome {
    var status: ExitStatus?
    var hasNewData = false
}

/// Takes nothing itself: the bytes stay with libssh until they are read.
private func noteData(
    _ session: ssh_session?, _ channel: ssh_channel?, _ data: UnsafeMutableRawPointer?,
    _ size: UInt32, _ isError: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context else { return 0 }
    Unmanaged<CommandOutcome>.fromOpaque(context).takeUnretainedValue().hasNewData = true
    return 0
}

private func noteExitStatus(
    _ session: ssh_session?, _ channel: ssh_channel?, _ code: Int32,
    _ context: UnsafeMutableRawPointer?
) {
    guard let context else { return }
    Unmanaged<CommandOutcome>.fromOpaque(context).takeUnretainedValue().status = .code(code)
}

private func noteExitSignal(
    _ session: ssh_session?, _ channel: ssh_channel?, _ name: UnsafePointer<CChar>?, _ core: Int32,
    _ message: UnsafePointer<CChar>?, _ language: UnsafePointer<CChar>?,
    _ context: UnsafeMutableRawPointer?
) {
    guard let context, let name else { return }
    // RFC 4254, 6.10 names signals without their SIG. An unknown one still is a death by signal: 0.
    let numbers = [
        "ABRT": SIGABRT, "ALRM": SIGALRM, "FPE": SIGFPE, "HUP": SIGHUP, "ILL": SIGILL,
        "INT": SIGINT,
        "KILL": SIGKILL, "PIPE": SIGPIPE, "QUIT": SIGQUIT, "SEGV": SIGSEGV, "TERM": SIGTERM,
        "USR1": SIGUSR1, "USR2": SIGUSR2,
    ]
    Unmanaged<CommandOutcome>.fromOpaque(context).takeUnretainedValue().status =
        .signal(numbers[String(cString: name)] ?? 0)
}
