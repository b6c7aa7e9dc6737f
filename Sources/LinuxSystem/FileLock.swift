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
        let locked = try FileLock.take(path, mode)
        if locked < 0 { return nil }
        file = Descriptor(owning: locked)
    }

    /// The locked descriptor, or -1 where somebody else holds the lock.
    private static func take(_ path: String, _ mode: UInt32) throws(SystemError) -> Int32 {
        while true {
            let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
            let opened = Descriptor(owning: try check("open", path) { cl_open(path, flags, mode) })
            let number = opened.number
            do throws(SystemError) {
                try check("flock", path) { flock(number, LOCK_EX | LOCK_NB) }
            } catch {
                if error.errno == EWOULDBLOCK { return -1 }
                throw error
            }
            // The last holder may have removed the file since we opened it: a lock on a file that has no name locks
            // nobody out.
            var (ours, named) = (stat(), stat())
            if fstat(number, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino
                && ours.st_dev == named.st_dev
            {
                try check("ftruncate", path) { ftruncate(number, 0) }
                try IO.writeAll(number, "\(getpid())\n".utf8)
                return opened.release()
            }
        }
    }

    /// The process id the present holder wrote, if it can be read.
    public static func holder(path: String) -> Int32? {
        guard let text = try? Files.read(path, limit: 64) else { return nil }
        return Int32(String(decoding: text.prefix { $0 != 10 }, as: UTF8.self))
    }
}
