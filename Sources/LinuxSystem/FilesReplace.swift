import CLinux
import Glibc
import Synchronization

extension Files {
    /// Replaces `path` with `bytes`: a new file beside it, synced, then renamed over it.
    ///
    /// Whoever is killed before that leaves the new file: the next call for the same path wipes it, and so does ``remove(_:)``.
    /// *Idempotency:* the same call twice leaves the same file. The file never exists with a wider `mode`.
    public static func replace(
        _ path: String, with bytes: some Collection<UInt8>, mode: UInt32 = 0o600
    ) throws(SystemError) {
        let array = ContiguousArray(bytes)
        try array.withUnsafeBufferPointer { (buffer) throws(SystemError) in
            try replace(path, withRaw: UnsafeRawBufferPointer(buffer), mode: mode)
        }
    }

    /// As ``replace(_:with:mode:)``, but leaves no second copy in memory: for secrets.
    public static func replace(
        _ path: String, withRaw bytes: UnsafeRawBufferPointer, mode: UInt32 = 0o600
    ) throws(SystemError) {
        let new = try NewFile(beside: path)
        let handle = new.file.number
        do throws(SystemError) {
            try check("chmod", new.path) { fchmod(handle, mode) }
            try IO.writeAll(handle, raw: bytes)
            try check("fsync", new.path) { fsync(handle) }
            try check("rename", path) { rename(new.path, path) }
        } catch {
            _ = try? zero(handle, count: bytes.count)
            _ = unlink(new.path)
            throw error.subject.isEmpty
                ? SystemError(error.operation, path, errno: error.errno) : error
        }
        // What does not go now stays beside the file, and whoever wipes that is told.
        _ = try? wipeUnfinished(of: path)
        try syncFolder(of: path)
    }

    /// Wipes what a killed ``replace(_:with:mode:)`` of `path` left. What is being written at this moment stays, and so
    /// does what is not this user's, or has another name elsewhere.
    static func wipeUnfinished(of path: String) throws(SystemError) {
        let folder = folder(of: path)
        var failure: SystemError?
        // As a rule there is none: nothing is made of the names of all the other files.
        for name in (try? list(folder, startingWith: NewFile.prefix(for: path))) ?? []
        where NewFile.isName(name, for: path) {
            do { try NewFile.wipe("\(folder)/\(name)") } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// A file that is to take another's place. It is locked for as long as somebody writes it, and the kernel frees the lock
/// of one who dies: so that the living are told from the dead. *Source:* `flock(2)`.
private struct NewFile: ~Copyable {
    let path: String
    let file: Descriptor

    private static let numbers = Atomic<UInt64>(0)
    private static let suffix = ".new"
    /// How many names are tried. One may be taken by whoever had this process id before a restart, or by others.
    private static let tries = 1_000

    /// Makes it, empty and readable by its owner only, under a name of its own: two threads that shared one would rename
    /// each other's half-written file.
    init(beside target: String) throws(SystemError) {
        var failure: SystemError?
        for _ in 0..<Self.tries {
            let number = Self.numbers.wrappingAdd(1, ordering: .relaxed).newValue
            let path = "\(target).\(getpid()).\(number)\(Self.suffix)"
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
            let opened: Int32
            do { opened = try check("create", path) { cl_open(path, flags, 0o600) } } catch {
                guard error.errno == EEXIST else { throw error }
                failure = error
                continue
            }
            let file = Descriptor(owning: opened)
            // Between these two calls it looks like a dead one's, and may be gone.
            if Self.lock(file.number, path) != .refused {
                self.path = path
                self.file = file
                return
            }
            _ = unlink(path)
        }
        throw failure ?? SystemError("lock a new file for", target, errno: EBUSY)
    }

    /// What the names of all such files for `target` begin with.
    static func prefix(for target: String) -> String {
        let start = target.lastIndex(of: "/").map(target.index(after:)) ?? target.startIndex
        return "\(target[start...])."
    }

    /// Whether a file beside `target` has the name of such a file for it.
    static func isName(_ name: String, for target: String) -> Bool {
        let prefix = prefix(for: target)
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return false }
        let numbers = name.dropFirst(prefix.count).dropLast(suffix.count)
            .split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 2
            && numbers.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
    }

    /// Wipes one that nobody writes any more; one that cannot be overwritten keeps its name.
    static func wipe(_ path: String) throws(SystemError) {
        // Whoever else may write in this folder may have put a link or a FIFO there, or a second name of a file of ours.
        let flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW
        let opened: Int32
        do { opened = try check("open", path) { cl_open(path, flags, 0) } } catch {
            if [ENOENT, ELOOP, ENXIO, EISDIR].contains(error.errno) { return }
            throw error
        }
        let file = Descriptor(owning: opened)
        var info = stat()
        guard lock(file.number, path) == .taken, fstat(file.number, &info) == 0,
            info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid(), info.st_nlink == 1
        else { return }
        do { try Files.zero(file.number, count: Int(info.st_size)) } catch {
            throw SystemError(error.operation, path, errno: error.errno)
        }
        _ = unlink(path)
    }

    private enum Lock { case taken, refused, unknown }

    /// Locks an open file; refused where another has the lock, or where the file no longer has this name.
    private static func lock(_ file: Int32, _ path: String) -> Lock {
        // Some file systems know no locks: there the dead are not told from the living.
        if flock(file, LOCK_EX | LOCK_NB) != 0 { return errno == EWOULDBLOCK ? .refused : .unknown }
        var (ours, named) = (stat(), stat())
        let isNamed =
            fstat(file, &ours) == 0 && lstat(path, &named) == 0 && ours.st_ino == named.st_ino
            && ours.st_dev == named.st_dev
        return isNamed ? .taken : .refused
    }
}
