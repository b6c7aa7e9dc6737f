import CLinux
import Glibc

extension Child {
    /// Runs a command to its end and collects what it prints.
    ///
    /// What it left running in the background is not waited for, even where that holds our pipes open.
    /// *Throws:* ``SystemError``; `ETIMEDOUT` after `timeout` seconds, with the child killed and reaped.
    public static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String]? = nil,
        timeout: Double = 60,
        limit: Int = 16 << 20
    ) throws(SystemError) -> CommandResult {
        // A child that does not read its input to the end must not end us; children get the default again.
        if !input.isEmpty { cl_ignore_sigpipe() }
        let toChild = try IO.pipe()
        let output = try IO.pipe()
        let errors = try IO.pipe()
        let child = try Child(
            arguments, input: toChild.reader.number, output: output.writer.number,
            errors: errors.writer.number, environment: environment)
        // The child's ends are closed here, so that the end of its life is the end of its streams.
        var exchange = PipeExchange(
            input: input, sink: IO.keepWriter(toChild), output: IO.keepReader(output),
            errors: IO.keepReader(errors), limit: limit)
        let finished = exchange.pump(until: Clocks.monotonic() + timeout, pidfd: child.pidfd.number)
        exchange.closeInput()
        if !finished { child.signal(SIGKILL) }
        let status = try child.wait() ?? .signal(SIGKILL)
        if !finished {
            // Not the arguments: what they hold is the caller's and may be long.
            throw SystemError("run", arguments[0], errno: ETIMEDOUT)
        }
        return CommandResult(
            status: status, output: exchange.output.bytes, errors: exchange.errors.bytes)
    }
}

extension IO {
    fileprivate static func keepReader(_ pipe: consuming Pipe) -> Descriptor {
        let (reader, writer) = pipe.split()
        close(writer)
        return Descriptor(owning: reader)
    }

    fileprivate static func keepWriter(_ pipe: consuming Pipe) -> Descriptor {
        let (reader, writer) = pipe.split()
        close(reader)
        return Descriptor(owning: writer)
    }
}

/// Feeds a child's standard input and drains its two outputs at the same time, so that neither side blocks.
private struct PipeExchange: ~Copyable {
    /// One of the child's outputs.
    struct Stream: ~Copyable {
        let source: Descriptor
        var bytes: [UInt8] = []
        var isOpen = true

        init(source: consuming Descriptor) {
            self.source = source
        }

        mutating func take(limit: Int) {
            guard let chunk = try? IO.read(source.number), !chunk.isEmpty else {
                isOpen = false
                return
            }
            bytes += chunk.prefix(max(0, limit - bytes.count))
        }
    }

    private let input: [UInt8]
    private var sent = 0
    private var sink: Descriptor?
    // -1 once there is no sink, which poll passes over.
    private var sinkNumber: Int32 = -1
    var output: Stream
    var errors: Stream
    private let limit: Int

    init(
        input: [UInt8], sink: consuming Descriptor, output: consuming Descriptor,
        errors: consuming Descriptor, limit: Int
    ) {
        self.input = input
        self.output = Stream(source: output)
        self.errors = Stream(source: errors)
        self.limit = limit
        _ = cl_fcntl(sink.number, F_SETFL, O_NONBLOCK)
        if !input.isEmpty {
            sinkNumber = sink.number
            self.sink = .some(sink)
        }
    }

    mutating func closeInput() {
        sink = nil
        sinkNumber = -1
    }

    /// True once both outputs have ended, or the child has and nothing more is to be read; false at the deadline.
    mutating func pump(until deadline: Double, pidfd: Int32) -> Bool {
        var hasEnded = false
        while output.isOpen || errors.isOpen {
            let left = deadline - Clocks.monotonic()
            if left <= 0 && !hasEnded { return false }
            // poll passes over entries with a negative number.
            var entries = [
                pollfd(
                    fd: output.isOpen ? output.source.number : -1, events: Int16(POLLIN), revents: 0
                ),
                pollfd(
                    fd: errors.isOpen ? errors.source.number : -1, events: Int16(POLLIN), revents: 0
                ),
                pollfd(fd: sinkNumber, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: hasEnded ? -1 : pidfd, events: Int16(POLLIN), revents: 0),
            ]
            let patience = hasEnded ? 0 : Int32(min(left * 1000 + 1, 1_000_000))
            let ready = poll(&entries, nfds_t(entries.count), patience)
            // With the child gone, what is in the pipes by now is all it wrote.
            if hasEnded && ready <= 0 { return true }
            if ready <= 0 { continue }
            if entries[0].revents != 0 { output.take(limit: limit) }
            if entries[1].revents != 0 { errors.take(limit: limit) }
            if entries[2].revents != 0 { feed() }
            if entries[3].revents != 0 {
                hasEnded = true
                closeInput()
            }
        }
        return true
    }

    private mutating func feed() {
        let (fd, start) = (sinkNumber, sent)
        let (written, code) = input.withUnsafeBytes { bytes in
            let count = Glibc.write(fd, bytes.baseAddress! + start, bytes.count - start)
            return (count, count < 0 ? errno : 0)
        }
        sent += max(0, written)
        // A child that closed its input has read all it wanted.
        if (code != 0 && code != EAGAIN && code != EINTR) || sent == input.count { closeInput() }
    }
}
