import CLinux
import Glibc
import LinuxSystem

/// What keeps a second `up` or `down` of the same mesh out. The file goes when the lab goes.
struct LabLock: ~Copyable {
    private let file: Descriptor
    private let path: String

    init(_ names: LabNames) throws(LabError) {
        let path = names.lock
        do throws(SystemError) {
            try Files.makeFolder(LabNames.allLabs)
            while true {
                let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
                let opened = Descriptor(
                    owning: try check("open", path) { cl_open(path, flags, 0o600) })
                let number = opened.number
                try check("flock", path) { flock(number, LOCK_EX | LOCK_NB) }
                // The holder before us may have removed the file between our open and our lock.
                if LabLock.isSame(number, path) {
                    file = opened
                    self.path = path
                    return
                }
            }
        } catch {
            if error.errno == EWOULDBLOCK {
                throw LabError(
                    .busy, "lock", names.mesh, "another meshproof is building or ending this lab",
                    hint: "wait for it to end, then run this again")
            }
            throw LabError(error)
        }
    }

    /// Removes the lock's file, and the folder of all labs where this was the last.
    func remove() {
        unlink(path)
        rmdir(LabNames.allLabs)
    }

    private static func isSame(_ fd: Int32, _ path: String) -> Bool {
        var held = stat()
        var present = stat()
        return fstat(fd, &held) == 0 && stat(path, &present) == 0
            && held.st_ino == present.st_ino && held.st_dev == present.st_dev
    }
}

extension LabError {
    /// A failed system call, with root asked for where that was the reason.
    init(_ error: SystemError, hint: String? = nil) {
        let denied = error.errno == EPERM || error.errno == EACCES
        self.init(
            denied ? .notPermitted : .failed, error.operation, error.subject,
            [error.errno == 0 ? nil : SystemError.text(error.errno), error.detail].compactMap { $0 }
                .joined(separator: ", "),
            hint: hint ?? (denied ? "run it as root" : nil))
    }
}
