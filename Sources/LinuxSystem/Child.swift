import CLinux
import Glibc

/// How a child process ended.
public enum ExitStatus: Sendable, Equatable {
    /// It called `exit` with this code.
    case code(Int32)
    /// A signal ended it.
    case signal(Int32)

    /// Whether it exited with 0.
    public var isSuccess: Bool { self == .code(0) }
}

/// What a finished command printed and how it ended.
public struct CommandResult: Sendable {
    /// Exit code or signal.
    public let status: ExitStatus
    /// Standard output, bounded by the caller's limit.
    public let output: [UInt8]
    /// Standard error, bounded likewise.
    public let errors: [UInt8]

    /// Describes a finished command.
    public init(status: ExitStatus, output: [UInt8], errors: [UInt8]) {
        self.status = status
        self.output = output
        self.errors = errors
    }

    /// Standard output as text, without the last newline.
    public var text: String { CommandResult.trim(output) }
    /// Standard error as text, without the last newline.
    public var errorText: String { CommandResult.trim(errors) }

    private static func trim(_ bytes: [UInt8]) -> String {
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}

/// A child process, started by `posix_spawn` and watched through a pidfd.
///
/// *Source:* `posix_spawn(3)`, `pidfd_open(2)`. No Swift runs between fork and exec.
public struct Child: ~Copyable {
    /// The process id; valid until ``wait()`` has returned.
    public let pid: Int32
    /// Readable once the child has ended.
    public let pidfd: Descriptor

    /// Starts `arguments[0]`, looked up in PATH where it has no slash.
    ///
    /// - Parameters:
    ///   - input: the child's standard input, output and errors; -1 is /dev/null.
    ///   - newSession: whether it leaves our session, and with it our terminal.
    public init(
        _ arguments: [String], input: Int32 = -1, output: Int32 = -1, errors: Int32 = -1,
        environment: [String]? = nil, newSession: Bool = false, directory: String? = nil
    ) throws(SystemError) {
        let (pid, watch) = try Child.start(
            arguments, input, output, errors, environment, newSession, directory)
        self.pid = pid
        pidfd = Descriptor(owning: watch)
    }

    private static func start(
        _ arguments: [String], _ input: Int32, _ output: Int32, _ errors: Int32,
        _ environment: [String]?, _ newSession: Bool, _ directory: String?
    ) throws(SystemError) -> (Int32, Int32) {
        guard let name = arguments.first, let path = Child.find(name) else {
            throw SystemError("run", arguments.first ?? "", errno: ENOENT)
        }
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        defer { for item in argv { free(item) } }
        var pid: Int32 = 0
        let code: Int32
        if let environment {
            var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
            envp.append(nil)
            defer { for item in envp { free(item) } }
            code = cl_spawn(
                &pid, path, &argv, &envp, input, output, errors, newSession ? 1 : 0, directory)
        } else {
            code = cl_spawn(
                &pid, path, &argv, cl_environment(), input, output, errors, newSession ? 1 : 0,
                directory)
        }
        if code != 0 { throw SystemError("run", name, errno: code) }
        let started = pid
        do throws(SystemError) {
            return (pid, try check("pidfd_open", name) { cl_pidfd_open(started) })
        } catch {
            // Out of descriptors: a child that cannot be watched must not run on.
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw error
        }
    }

    /// Waits for the end; nil when `milliseconds` passed first (-1 waits for ever).
    public borrowing func wait(milliseconds: Int32 = -1) throws(SystemError) -> ExitStatus? {
        guard try IO.wait(pidfd.number, milliseconds: milliseconds) else { return nil }
        var status: Int32 = 0
        let pid = self.pid
        try check("waitpid") { waitpid(pid, &status, 0) }
        return cl_exited(status) != 0
            ? .code(cl_exit_status(status)) : .signal(cl_signalled_by(status))
    }

    /// Sends a signal; a child that has ended is no error.
    public borrowing func signal(_ number: Int32) {
        _ = cl_pidfd_send_signal(pidfd.number, number)
    }

    /// The file that `name` means in PATH (with the sbin folders added), or nil.
    public static func find(_ name: String) -> String? {
        if name.contains("/") { return name }
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        for folder in path.split(separator: ":").map(String.init) + [
            "/usr/local/sbin", "/usr/sbin", "/sbin",
        ] {
            let candidate = "\(folder)/\(name)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    /// Runs a command to its end and collects what it prints.
    ///
    /// *Throws:* ``SystemError``; `ETIMEDOUT` after `timeout` seconds, with the child killed and reaped.
    public static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String]? = nil,
        timeout: Double = 60,
        limit: Int = 16 << 20
    ) throws(SystemError) -> CommandResult {
        let (inRead, inWrite) = try IO.pipe().split()
        let (outRead, outWrite) = try IO.pipe().split()
        let (errRead, errWrite) = try IO.pipe().split()
        defer { for fd in [outRead, errRead] { close(fd) } }
        let child: Child
        do throws(SystemError) {
            child = try Child(
                arguments, input: inRead, output: outWrite, errors: errWrite,
                environment: environment)
        } catch {
            for fd in [inRead, inWrite, outWrite, errWrite] { close(fd) }
            throw error
        }
        for fd in [inRead, outWrite, errWrite] { close(fd) }
        var exchange = PipeExchange(
            input: input, inWrite: inWrite, outRead: outRead, errRead: errRead)
        let finished = exchange.pump(deadline: Clocks.monotonic() + timeout, limit: limit)
        exchange.closeInput()
        if !finished { child.signal(SIGKILL) }
        let status = try child.wait() ?? .signal(SIGKILL)
        if !finished {
            throw SystemError("run", arguments.joined(separator: " "), errno: ETIMEDOUT)
        }
        return CommandResult(status: status, output: exchange.output, errors: exchange.errors)
    }
}

/// Feeds a child's standard input and drains its two outputs at the same time, so that neither side blocks.
private struct PipeExchange {
    var input: [UInt8]
    var sent = 0
    var inWrite: Int32
    let outRead: Int32
    let errRead: Int32
    var output: [UInt8] = []
    var errors: [UInt8] = []

    init(input: [UInt8], inWrite: Int32, outRead: Int32, errRead: Int32) {
        self.input = input
        self.inWrite = inWrite
        self.outRead = outRead
        self.errRead = errRead
        _ = cl_fcntl(inWrite, F_SETFL, O_NONBLOCK)
        if input.isEmpty { closeInput() }
    }

    mutating func closeInput() {
        if inWrite >= 0 { close(inWrite) }
        inWrite = -1
    }

    /// True once both outputs have ended, false at the deadline.
    mutating func pump(deadline: Double, limit: Int) -> Bool {
        var open = [outRead: true, errRead: true]
        while open.values.contains(true) {
            let left = deadline - Clocks.monotonic()
            if left <= 0 { return false }
            var entries = [outRead, errRead].filter { open[$0] == true }
                .map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if inWrite >= 0 {
                entries.append(pollfd(fd: inWrite, events: Int16(POLLOUT), revents: 0))
            }
            if poll(&entries, nfds_t(entries.count), Int32(min(left * 1000 + 1, 1_000_000))) <= 0 {
                continue
            }
            for entry in entries where entry.revents != 0 {
                if entry.fd == inWrite {
                    feed()
                } else if let chunk = try? IO.read(entry.fd), !chunk.isEmpty {
                    keep(chunk, from: entry.fd, limit: limit)
                } else {
                    open[entry.fd] = false
                }
            }
        }
        return true
    }

    private mutating func feed() {
        let start = sent
        let written = input.withUnsafeBytes {
            Glibc.write(inWrite, $0.baseAddress! + start, $0.count - start)
        }
        if written > 0 { sent += written }
        if (written < 0 && errno != EAGAIN && errno != EINTR) || sent == input.count {
            closeInput()
        }
    }

    private mutating func keep(_ chunk: [UInt8], from fd: Int32, limit: Int) {
        if fd == outRead, output.count < limit { output += chunk }
        if fd == errRead, errors.count < limit { errors += chunk }
    }
}
