import Glibc
public import LinuxSystem

/// A session with one server, for running commands there.
///
/// A client belongs to one thread at a time: make it, use it and let go of it inside one `Worker`. It is not
/// Sendable, and the compiler holds callers to that. The connection closes when the last reference goes.
///
/// *Privilege:* none here; the login name decides what commands may do there.
public final class SSHClient {
    private let session: SSHSession
    /// What was negotiated.
    public let facts: SSHFacts

    /// Connects, checks the host's key and logs in, all within `timeout` seconds.
    ///
    /// *Throws:* ``SSHError``; `unknownHostKey` and `changedHostKey` carry the fingerprints, `authentication`
    /// carries what was tried.
    public init(_ target: SSHTarget, timeout: Double) throws(SSHError) {
        (session, facts) = try SSHSession.establish(target, timeout: timeout)
    }

    /// Runs a shell command on the server to its end.
    ///
    /// Output and errors beyond `outputLimit` bytes each are read and dropped, so that the command never blocks.
    /// *Units:* seconds, bytes. *Throws:* `timeout`, with the command killed where the server allows it
    /// (OpenSSH: not for root); `lost` where the connection ends first.
    public func run(
        _ command: String, input: [UInt8] = [], timeout: Double = 60, outputLimit: Int = 16 << 20
    ) throws(SSHError) -> CommandResult {
        var input = input
        return try exchange(command, timeout: timeout, outputLimit: outputLimit, isTotal: true) {
            defer { input = [] }
            return input
        }
    }

    /// Streams a local file into a command's standard input, for instance `cat > /path.new`.
    ///
    /// - Parameters:
    ///   - stall: how long nothing may move, in seconds; there is no limit on the whole.
    ///   - progress: called with the bytes handed over so far and the file's size.
    ///
    /// *Throws:* `file` where the file cannot be read; `timeout` after `stall` seconds without movement.
    public func upload(
        fileAt path: String, to command: String, stall: Double = 30,
        progress: (_ sent: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(SSHError) -> CommandResult {
        let file = try open(file: path)
        let total = size(of: file)
        let number = file.number
        var sent = 0
        let result = try exchange(command, timeout: stall, outputLimit: 1 << 20, isTotal: false) {
            () throws(SSHError) -> [UInt8] in
            progress(sent, total)
            do throws(SystemError) {
                let bytes = try IO.read(number, limit: 262_144)
                sent += bytes.count
                return bytes
            } catch {
                throw SSHError(.file, "upload", path, "\(error)", errno: error.errno)
            }
        }
        return result
    }

    /// Starts a command and leaves its standard input and output to the caller.
    ///
    /// *Units:* `timeout` is for the start alone, in seconds.
    public func open(
        _ command: String, timeout: Double = 30, errorLimit: Int = 65_536
    ) throws(SSHError) -> SSHChannel {
        try SSHChannel(
            session, command: command, errorLimit: errorLimit,
            deadline: Clocks.monotonic() + timeout)
    }

    /// Feeds and drains a command at the same time.
    ///
    /// - Parameters:
    ///   - isTotal: whether `timeout` limits the whole, or each pause in which nothing moves.
    ///   - source: the next bytes for standard input; empty ends it.
    private func exchange(
        _ command: String, timeout: Double, outputLimit: Int, isTotal: Bool,
        _ source: () throws(SSHError) -> [UInt8]
    ) throws(SSHError) -> CommandResult {
        var deadline = Clocks.monotonic() + timeout
        let channel = try SSHChannel(
            session, command: command, errorLimit: outputLimit, deadline: deadline)
        var pending: ArraySlice<UInt8> = []
        var output: [UInt8] = []
        var inputOpen = true
        var outputOpen = true
        do throws(SSHError) {
            while true {
                var moved = false
                var socketFull = false
                if inputOpen {
                    if pending.isEmpty { pending = try source()[...] }
                    if pending.isEmpty {
                        channel.closeInput()
                        inputOpen = false
                        moved = true
                    } else {
                        switch try channel.writeNow(pending) {
                        case .sent(let count):
                            pending = pending.dropFirst(count)
                            moved = true
                        case .blocked: socketFull = session.hasUnsentBytes
                        case .closed: inputOpen = false
                        }
                    }
                }
                if outputOpen, !moved || !inputOpen, let bytes = try channel.readNow() {
                    output += bytes.prefix(max(0, outputLimit - output.count))
                    outputOpen = !bytes.isEmpty
                    moved = true
                }
                if !outputOpen, let status = try channel.statusNow() {
                    return CommandResult(status: status, output: output, errors: channel.errorBytes)
                }
                // Reading may just have sent what kept us from writing: then nothing will wake us for it.
                if socketFull && !session.hasUnsentBytes { moved = true }
                if moved && !isTotal { deadline = Clocks.monotonic() + timeout }
                if !moved || (isTotal && Clocks.monotonic() >= deadline) {
                    try session.wait("run", until: deadline)
                }
            }
        } catch {
            if error.code == .timeout { channel.kill() }
            throw error
        }
    }

    private func open(file path: String) throws(SSHError) -> Descriptor {
        do throws(SystemError) {
            return Descriptor(owning: try check("open", path) { openForReading(path) })
        } catch {
            throw SSHError(.file, "upload", path, SystemError.text(error.errno), errno: error.errno)
        }
    }

    /// Only for the progress; 0 where the kernel does not say.
    private func size(of file: borrowing Descriptor) -> Int {
        var info = stat()
        return fstat(file.number, &info) == 0 ? Int(info.st_size) : 0
    }
}

private func openForReading(_ path: String) -> Int32 {
    Glibc.open(path, O_RDONLY | O_CLOEXEC)
}
