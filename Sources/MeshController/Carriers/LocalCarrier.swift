import CLinux
import Glibc
import LinuxSystem
public import MeshModel
import Synchronization

/// Reaches the node that is this machine, as root.
public struct LocalCarrier: Carrier {
    /// Makes the carrier.
    public init() {}

    /// Needs no connection, only root. *Throws:* ``ControllerError`` `authentication`.
    public func connect(to node: Node, timeout: Double) throws(ControllerError)
        -> any CarrierSession
    {
        if geteuid() != 0 {
            throw ControllerError(
                .authentication, "\(node.name) is this machine, and configuring it needs root",
                hint: "run meshproof with sudo, or use connect: ssh://root@localhost")
        }
        return LocalSession()
    }
}

private final class LocalSession: CarrierSession {
    let description = "this machine"

    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult {
        do { return try Child.run(["/bin/sh", "-c", command], timeout: timeout) } catch {
            throw LocalSession.translate(error)
        }
    }

    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult {
        do throws(SystemError) {
            let bytes = try Files.read(path, limit: 1 << 30)
            let result = try Child.run(["/bin/sh", "-c", command], input: bytes, timeout: timeout)
            progress(bytes.count, bytes.count)
            return result
        } catch { throw LocalSession.translate(error) }
    }

    func open(_ command: String) throws(ControllerError) -> any ByteStream {
        do { return try ChildStream(["/bin/sh", "-c", command]) } catch {
            throw LocalSession.translate(error)
        }
    }

    static func translate(_ error: SystemError) -> ControllerError {
        ControllerError(error.errno == ETIMEDOUT ? .timeout : .unreachable, error.description)
    }
}

/// A child's standard input and output as one stream.
final class ChildStream: ByteStream {
    private struct State: ~Copyable {
        var child: Child
        var input: Int32
        var output: Int32
        var errors: Int32
        var said = ""
    }

    private let state: Mutex<State>

    init(_ arguments: [String]) throws(SystemError) {
        let (inRead, inWrite) = try IO.pipe().split()
        let (outRead, outWrite) = try IO.pipe().split()
        let (errRead, errWrite) = try IO.pipe().split()
        defer { for fd in [inRead, outWrite, errWrite] { Glibc.close(fd) } }
        let child = try Child(arguments, input: inRead, output: outWrite, errors: errWrite)
        for fd in [inWrite, errRead] { _ = cl_fcntl(fd, F_SETFL, O_NONBLOCK) }
        state = Mutex(State(child: child, input: inWrite, output: outRead, errors: errRead))
    }

    deinit { close() }

    /// The child's process id while it runs, else nil.
    var process: Int32? { state.withLock { $0.input < 0 ? nil : $0.child.pid } }

    func read(deadline: Double) throws(ControllerError) -> [UInt8] {
        let output = state.withLock { $0.output }
        let left = max(0, deadline - Clocks.monotonic())
        do throws(SystemError) {
            guard try IO.wait(output, milliseconds: Int32(min(left * 1000, 1e9))) else {
                throw SystemError("read", "", errno: ETIMEDOUT)
            }
            return try IO.read(output)
        } catch { throw LocalSession.translate(error) }
    }

    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {
        let input = state.withLock { $0.input }
        var rest = bytes[...]
        do throws(SystemError) {
            while !rest.isEmpty {
                let left = max(0, deadline - Clocks.monotonic())
                guard
                    try IO.wait(input, for: .writing, milliseconds: Int32(min(left * 1000, 1e9)))
                else { throw SystemError("write", "", errno: ETIMEDOUT) }
                // No more than a pipe takes without waiting, once it has room. *Source:* pipe(7), PIPE_BUF.
                let chunk = rest.prefix(4096)
                try IO.writeAll(input, chunk)
                rest = rest.dropFirst(chunk.count)
            }
        } catch { throw LocalSession.translate(error) }
    }

    func close() {
        state.withLock { state in
            guard state.input >= 0 else { return }
            ChildStream.drain(&state)
            for fd in [state.input, state.output, state.errors] { Glibc.close(fd) }
            state.input = -1
            state.output = -1
            state.errors = -1
            state.child.signal(SIGTERM)
            if (try? state.child.wait(milliseconds: 2000)) == nil {
                state.child.signal(SIGKILL)
                _ = try? state.child.wait(milliseconds: 2000)
            }
        }
    }

    var errorText: String {
        state.withLock { state in
            ChildStream.drain(&state)
            return state.said.trimmedLine
        }
    }

    private static func drain(_ state: inout State) {
        guard state.errors >= 0, let text = try? IO.read(state.errors) else { return }
        state.said += String(decoding: text, as: UTF8.self)
    }
}

extension String {
    /// The last line that says something, for one-line messages.
    var trimmedLine: String {
        split(whereSeparator: \.isNewline).map(String.init).last { !$0.isEmpty } ?? ""
    }
}
