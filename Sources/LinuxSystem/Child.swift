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
        // C would cut a string at its first NUL and run something else than was meant.
        if (arguments + (environment ?? [])).contains(where: { $0.utf8.contains(0) }) {
            throw SystemError("run", name, errno: EINVAL, detail: "an argument holds a NUL")
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
        if name.isEmpty { return nil }
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        for folder in path.split(separator: ":").map(String.init) + [
            "/usr/local/sbin", "/usr/sbin", "/sbin",
        ] {
            let candidate = "\(folder)/\(name)"
            if access(candidate, X_OK) == 0 && !Files.isFolder(candidate) { return candidate }
        }
        return nil
    }
}
