import CLinux
import Glibc

/// Files, read within bounds and written so that a crash leaves the old or the new, never half.
public enum Files {
    /// The whole of a regular file.
    ///
    /// *Throws:* ``SystemError``; `EFBIG` where it holds more than `limit` bytes.
    public static func read(_ path: String, limit: Int = 64 << 20) throws(SystemError) -> [UInt8] {
        let file = Descriptor(
            owning: try check("open", path) { cl_open(path, O_RDONLY | O_CLOEXEC, 0) })
        var bytes: [UInt8] = []
        while true {
            let chunk: [UInt8]
            do { chunk = try IO.read(file.number) } catch {
                throw SystemError("read", path, errno: error.errno)
            }
            if chunk.isEmpty { return bytes }
            bytes += chunk
            if bytes.count > limit { throw SystemError("read", path, errno: EFBIG) }
        }
    }

    /// As ``read(_:limit:)``, but nil where there is no such file.
    public static func readIfPresent(
        _ path: String, limit: Int = 64 << 20
    ) throws(SystemError) -> [UInt8]? {
        do { return try read(path, limit: limit) } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    /// Gives a file or folder another name on the same file system; synced when it returns.
    ///
    /// *Throws:* ``SystemError``; `EEXIST` where something has that name already. Against somebody who makes it in the
    /// same moment only a lock helps: not every file system can rename without replacing.
    public static func move(_ path: String, to new: String) throws(SystemError) {
        if exists(new) { throw SystemError("rename", new, errno: EEXIST) }
        try check("rename", new) { rename(path, new) }
        try syncFolder(of: new)
        if folder(of: path) != folder(of: new) { try syncFolder(of: path) }
    }

    /// Makes a folder and its parents; those it makes get `mode`.
    public static func makeFolder(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        if isFolder(path) { return }
        let parent = folder(of: path)
        if parent != path { try makeFolder(parent, mode: mode) }
        if mkdir(path, mode) == 0 {
            // The umask has taken bits away that the caller asked for.
            try check("chmod", path) { chmod(path, mode) }
            return
        }
        let code = errno
        if code != EEXIST || !isFolder(path) { throw SystemError("mkdir", path, errno: code) }
    }

    /// Makes an empty file where nothing is; a file that is there stays as it is.
    public static func touch(_ path: String, mode: UInt32 = 0o600) throws(SystemError) {
        let flags = O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        _ = Descriptor(owning: try check("create", path) { cl_open(path, flags, mode) })
    }

    /// Removes a file, and wipes what a killed ``replace(_:with:mode:)`` of it left; true where there was one.
    @discardableResult
    public static func remove(_ path: String) throws(SystemError) -> Bool {
        _ = try? wipeUnfinished(of: path)
        return try removeAlone(path)
    }

    private static func removeAlone(_ path: String) throws(SystemError) -> Bool {
        if unlink(path) == 0 { return true }
        let code = errno
        if code == ENOENT { return false }
        throw SystemError("unlink", path, errno: code)
    }

    /// Overwrites a file's bytes with zeros, syncs, and removes it; true where there was one. What a killed
    /// ``replace(_:with:mode:)`` of it left goes the same way.
    ///
    /// On copy-on-write file systems and flash the old blocks may outlive this; see the threat model.
    @discardableResult
    public static func wipe(_ path: String) throws(SystemError) -> Bool {
        var info = stat()
        if lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size > 0 {
            let flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW
            let file = Descriptor(owning: try check("open", path) { cl_open(path, flags, 0) })
            do { try zero(file.number, count: Int(info.st_size)) } catch {
                throw SystemError(error.operation, path, errno: error.errno)
            }
        }
        let had = try removeAlone(path)
        try wipeUnfinished(of: path)
        return had
    }

    /// Puts zeros in the place of a file's first `count` bytes, and sees them to the disk.
    static func zero(_ file: Int32, count: Int) throws(SystemError) {
        let zeros = [UInt8](repeating: 0, count: 1 << 16)
        var left = count
        while left > 0 {
            try IO.writeAll(file, zeros.prefix(left))
            left -= min(left, zeros.count)
        }
        try check("fsync") { fsync(file) }
    }

    /// Removes a folder and all below it, without following links; a missing one is fine.
    public static func removeTree(_ path: String) throws(SystemError) {
        var info = stat()
        do throws(SystemError) { try check("lstat", path) { lstat(path, &info) } } catch {
            if error.errno == ENOENT { return }
            throw error
        }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in try list(path) { try removeTree("\(path)/\(name)") }
            try check("rmdir", path) { rmdir(path) }
        } else {
            _ = try removeAlone(path)
        }
    }

    /// The names in a folder, or those of them that begin with `prefix`, sorted.
    public static func list(
        _ path: String, startingWith prefix: String = ""
    ) throws(SystemError) -> [String] {
        let prefix = Array(prefix.utf8CString.dropLast())
        guard let stream = opendir(path) else { throw SystemError("opendir", path, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            // Only errno tells the end from a failure, and the end leaves it alone.
            errno = 0
            guard let entry = Glibc.readdir(stream) else {
                let code = errno
                if code != 0 { throw SystemError("readdir", path, errno: code) }
                return names.sorted()
            }
            // A record is as long as its name: copying the whole struct would read past the last one's end.
            let start = (UnsafeRawPointer(entry) + nameOffset).assumingMemoryBound(to: CChar.self)
            guard strncmp(start, prefix, prefix.count) == 0 else { continue }
            let name = String(cString: start)
            if name != "." && name != ".." { names.append(name) }
        }
    }

    private static let nameOffset = MemoryLayout<dirent>.offset(of: \dirent.d_name) ?? 19

    /// Where a link leads, as it is written there; nil where `path` is no link or may not be read.
    public static func target(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_096) { buffer in
            let count = readlink(path, buffer.baseAddress!, buffer.count)
            guard count > 0 else { return nil }
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// Whether anything is at `path`, a dangling link included.
    public static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    /// Whether `path` leads to a folder.
    public static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    /// How long the file at `path` is, or nil where there is none. *Units:* bytes.
    public static func size(_ path: String) -> Int? {
        var info = stat()
        return lstat(path, &info) == 0 ? Int(info.st_size) : nil
    }

    /// Permission bits of the file at `path`, or nil where there is none.
    public static func mode(_ path: String) -> UInt32? {
        var info = stat()
        return lstat(path, &info) == 0 ? info.st_mode & 0o7777 : nil
    }

    /// The folder that relative paths count from, or nil where it has none.
    public static var workingFolder: String? {
        guard let text = getcwd(nil, 0) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// The path without its last part.
    public static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func syncFolder(of path: String) throws(SystemError) {
        let folder = folder(of: path)
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let handle = Descriptor(owning: try check("open", folder) { cl_open(folder, flags, 0) })
        let number = handle.number
        try check("fsync", folder) { fsync(number) }
    }
}
