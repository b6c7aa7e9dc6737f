import CLinux
import Glibc

/// An exclusive advisory lock on a file, held as long as this value lives, and freed by the kernel if we die.
///
/// *Source:* `flock(2)`.
public struct FileLock: ~Copyable, Sendable {
    private let file: Descriptor

    /// Takes the lock without waiting; nil where another process holds it.
    ///
    /// The holder's process id is in the file's text, for a message to the second comer.
    public init?(path: String, mode: UInt32 = 0o600) throws(SystemError) {
        let opened = Descriptor(
            owning: try check("open", path) { cl_open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode) })
        let number = opened.number
        while flock(number, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            if code == EWOULDBLOCK { return nil }
            if code != EINTR { throw SystemError("flock", path, errno: code) }
        }
        try check("ftruncate", path) { ftruncate(number, 0) }
        try IO.writeAll(number, "\(getpid())\n".utf8)
        file = opened
    }

    /// The process id the present holder wrote, if it can be read.
    public static func holder(path: String) -> Int32? {
        guard let text = try? Files.read(path, limit: 64) else { return nil }
        return Int32(String(decoding: text.prefix { $0 != 10 }, as: UTF8.self))
    }
}
