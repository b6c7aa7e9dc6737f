import CLinux
import Glibc

/// A file descriptor with one owner; closed when the owner goes.
public struct Descriptor: ~Copyable, Sendable {
    /// The descriptor's number. Borrow it for a call; do not keep it.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) {
        self.number = number
    }

    deinit {
        _ = Glibc.close(number)
    }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    /// A second descriptor for the same open file, close-on-exec. *Source:* `fcntl(2)`, F_DUPFD_CLOEXEC.
    public borrowing func duplicate() throws(SystemError) -> Descriptor {
        let number = self.number
        return Descriptor(owning: try check("dup") { cl_fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }
}

/// How many descriptors this process may have.
public enum Descriptors {
    /// Raises the limit as far as it goes without privilege, because each forwarded connection takes one.
    ///
    /// *Source:* `getrlimit(2)`, RLIMIT_NOFILE.
    public static func raiseLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(7), &limit)
    }
}

/// Calls on raw descriptors, retried where interrupted. *Source:* `read(2)`, `write(2)`, `poll(2)`, `pipe(2)`.
public enum IO {
    /// Reads at most `limit` bytes; an empty array is the end of the stream.
    public static func read(_ fd: Int32, limit: Int = 65_536) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let base = buffer.baseAddress
            do throws(SystemError) {
                count = try checkCount("read") { Glibc.read(fd, base, limit) }
            } catch {
                failure = error
                count = 0
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes all of `bytes`, waiting where a non-blocking descriptor is full.
    public static func writeAll(_ fd: Int32, _ bytes: some Collection<UInt8>) throws(SystemError) {
        let array = ContiguousArray(bytes)
        try array.withUnsafeBufferPointer { (buffer) throws(SystemError) in
            try writeAll(fd, raw: UnsafeRawBufferPointer(buffer))
        }
    }

    /// As ``writeAll(_:_:)``, but leaves no second copy in memory: for secrets.
    public static func writeAll(_ fd: Int32, raw bytes: UnsafeRawBufferPointer) throws(SystemError)
    {
        guard let base = bytes.baseAddress else { return }
        var offset = 0
        while offset < bytes.count {
            let written = Glibc.write(fd, base + offset, bytes.count - offset)
            if written >= 0 {
                offset += written
                continue
            }
            let code = errno
            switch code {
            case EINTR: continue
            case EAGAIN: _ = try wait(fd, for: .writing, milliseconds: -1)
            default: throw SystemError("write", "", errno: code)
            }
        }
    }

    /// Sends what a non-blocking socket takes of `bytes` from `start` on, and says how many that were; nil where the
    /// connection is broken.
    public static func sendNow(_ fd: Int32, _ bytes: [UInt8], from start: Int = 0) -> Int? {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            var offset = start
            while offset < buffer.count {
                let count = Glibc.send(
                    fd, base + offset, buffer.count - offset, Int32(MSG_NOSIGNAL))
                if count >= 0 {
                    offset += count
                    continue
                }
                let code = errno
                if code == EINTR { continue }
                if code == EAGAIN { break }
                return nil
            }
            return offset - start
        }
    }

    /// What to wait for.
    public enum Readiness: Sendable {
        /// Data or the end of the stream.
        case reading
        /// Room to write.
        case writing
    }

    /// Waits until `fd` is ready; false when `milliseconds` passed first (-1 waits for ever), or when `interrupt`,
    /// unless it is -1, can be read.
    public static func wait(
        _ fd: Int32, for readiness: Readiness = .reading, milliseconds: Int32,
        interrupt: Int32 = -1
    ) throws(SystemError) -> Bool {
        let events = Int16(readiness == .reading ? POLLIN : POLLOUT)
        // poll passes over entries with a negative number.
        var entries = (
            pollfd(fd: fd, events: events, revents: 0),
            pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)
        )
        let ready = try check("poll") {
            withUnsafeMutableBytes(of: &entries) {
                poll($0.baseAddress?.assumingMemoryBound(to: pollfd.self), 2, milliseconds)
            }
        }
        return ready > 0 && entries.1.revents == 0
    }

    /// A close-on-exec pipe.
    public static func pipe() throws(SystemError) -> Pipe {
        var ends: [Int32] = [-1, -1]
        try check("pipe") { cl_pipe2(&ends, O_CLOEXEC) }
        return Pipe(reader: Descriptor(owning: ends[0]), writer: Descriptor(owning: ends[1]))
    }
}

/// The two ends of a pipe.
public struct Pipe: ~Copyable {
    /// The end that is read.
    public let reader: Descriptor
    /// The end that is written.
    public let writer: Descriptor

    /// Gives both ends away, to be owned apart.
    public consuming func split() -> (reader: Int32, writer: Int32) {
        (reader.release(), writer.release())
    }
}
