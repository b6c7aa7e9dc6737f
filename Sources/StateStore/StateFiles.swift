import Glibc
import LinuxSystem

/// Where the state lies, and who may touch it.
enum StateFiles {
    /// The file in a folder. Links on the way to the folder are fine and are followed here, since SQLite, told not to
    /// follow one at the file itself, would refuse them too.
    static func database(_ folder: String) -> String { "\(resolved(folder))/state.db" }

    private static func resolved(_ folder: String) -> String {
        guard let real = realpath(folder, nil) else { return folder }
        defer { free(real) }
        return String(cString: real)
    }

    static func isPresent(_ path: String) throws(StoreError) -> Bool {
        var info = stat()
        if lstat(path, &info) == 0 { return true }
        let code = errno
        if code == ENOENT { return false }
        throw StoreError(SystemError("open", path, errno: code))
    }

    /// Makes folder and file where they are missing, and takes the writer's lock.
    static func claim(_ folder: String) throws(StoreError) -> FileLock {
        do throws(SystemError) {
            try Files.makeFolder(folder, mode: 0o700)
        } catch { throw StoreError(error) }
        if let mode = Files.mode(resolved(folder)), mode & 0o022 != 0 {
            throw StoreError(
                .permission, "open", folder,
                "others can write to this folder (mode 0\(String(mode, radix: 8)))",
                hint: "chmod 700 \(folder), and look for what is not yours in it")
        }
        let lockPath = "\(folder)/lock"
        let lock: FileLock? = try takeLock(lockPath, for: database(folder))
        guard let lock else {
            let holder = FileLock.holder(path: lockPath).map { " (pid \($0))" } ?? ""
            throw StoreError(
                .inUse, "open", folder, "another meshproof\(holder) is working on this mesh",
                hint: "wait for it to end, or end it, then run the command again")
        }
        return lock
    }

    private static func takeLock(_ path: String, for database: String) throws(StoreError)
        -> FileLock?
    {
        do throws(SystemError) {
            guard let lock = try FileLock(path: path) else { return nil }
            try makePrivate(database)
            return lock
        } catch { throw StoreError(error) }
    }

    /// SQLite gives `-wal` and `-shm` the mode of the database, so this one file settles all three, whatever the umask.
    private static func makePrivate(_ path: String) throws(SystemError) {
        let file = Descriptor(
            owning: try check("open", path) {
                open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            })
        let number = file.number
        try check("chmod", path) { fchmod(number, 0o600) }
    }
}

extension StoreError {
    /// A failed system call.
    init(_ error: SystemError) {
        let code: Code
        let hint: String
        switch error.errno {
        case EACCES, EPERM, ELOOP:
            (code, hint) = (
                .permission, "run as the folder's owner, or name another folder with --state"
            )
        case EROFS:
            (code, hint) = (
                .readOnly, "name a folder on a disk that can be written to with --state"
            )
        case ENOSPC, EDQUOT:
            (code, hint) = (.full, "make room on the disk, then run the command again")
        case ENOTDIR: (code, hint) = (.permission, "name a folder, not a file, with --state")
        default: (code, hint) = (.disk, "look at the kernel's log (dmesg)")
        }
        self.init(code, error.operation, error.subject, SystemError.text(error.errno), hint: hint)
    }
}
