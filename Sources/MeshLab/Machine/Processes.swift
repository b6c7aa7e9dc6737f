import CLinux
import Glibc
import LinuxSystem

/// Finding and ending processes of a lab, never by name: by the lock they hold or the namespace they are in.
enum Processes {
    /// Who holds the `flock` on each of `paths`, as this process sees process ids. *Source:* `proc_locks(5)`.
    static func lockHolders(_ paths: [String]) -> [String: Int32] {
        var wanted: [String: String] = [:]
        for path in paths {
            var info = stat()
            if stat(path, &info) == 0 { wanted[lockID(info)] = path }
        }
        var holders: [String: Int32] = [:]
        // It is read in pieces, and a lock that goes in between makes another one slip through.
        for _ in 0..<3 where holders.count < wanted.count {
            holders.merge(holdersNow(wanted)) { $1 }
        }
        return holders
    }

    /// As far as one look at `/proc/locks` tells, by the text that stands for a file there.
    private static func holdersNow(_ wanted: [String: String]) -> [String: Int32] {
        guard !wanted.isEmpty, let text = try? Files.read("/proc/locks") else { return [:] }
        var holders: [String: Int32] = [:]
        for line in text.split(separator: 10) {
            // `1: FLOCK  ADVISORY  WRITE 10315 fe:00:16220440 0 EOF`; a waiter has `->` for its second field.
            let fields = line.split(separator: 32).map { String(decoding: $0, as: UTF8.self) }
            guard fields.count >= 6, fields[1] == "FLOCK", let path = wanted[fields[5]],
                let pid = Int32(fields[4])
            else { continue }
            holders[path] = pid
        }
        return holders
    }

    /// Device and inode the way the kernel prints them there: hexadecimal major and minor, decimal inode.
    private static func lockID(_ info: stat) -> String {
        let device = UInt64(info.st_dev)
        let major = device >> 8 & 0xfff | device >> 32 & ~0xfff
        let minor = device & 0xff | device >> 12 & ~0xff
        func hex(_ value: UInt64) -> String { (value < 16 ? "0" : "") + String(value, radix: 16) }
        return "\(hex(major)):\(hex(minor)):\(info.st_ino)"
    }

    /// Identity of the namespace that a file such as `/proc/1/ns/net` stands for, or nil where it stands for none.
    static func namespaceID(_ path: String) -> UInt64? {
        var own = stat()
        var info = stat()
        // An empty file left behind by a half-finished bind is not a namespace: those are all on one device of nsfs.
        guard stat("/proc/self/ns/net", &own) == 0, stat(path, &info) == 0,
            info.st_dev == own.st_dev
        else { return nil }
        return UInt64(info.st_ino)
    }

    /// Every process whose network namespace is one of `namespaces`.
    static func inside(_ namespaces: Set<UInt64>) -> [Int32] {
        if namespaces.isEmpty { return [] }
        return all().filter { pid in
            namespaceID("/proc/\(pid)/ns/net").map { namespaces.contains($0) } ?? false
        }
    }

    /// Host inits, and the `unshare` above each, that were started for a folder below `folder`: by exact arguments, and
    /// only where they are in another network namespace than this process.
    static func initsStarted(below folder: String) -> [Int32] {
        let own = namespaceID("/proc/self/ns/net")
        return all().filter { pid in
            guard let bytes = try? Files.read("/proc/\(pid)/cmdline") else { return false }
            let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard arguments.count >= 4, arguments[arguments.count - 3] == "lab-host",
                arguments[arguments.count - 2] == "--folder",
                arguments[arguments.count - 1].hasPrefix(folder + "/")
            else { return false }
            let theirs = namespaceID("/proc/\(pid)/ns/net")
            return theirs != nil && theirs != own
        }
    }

    static func all() -> [Int32] {
        ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) }
    }

    /// The parent of a process. *Source:* `proc_pid_stat(5)`; the command may hold spaces and brackets.
    static func parent(of pid: Int32) -> Int32? {
        guard let bytes = try? Files.read("/proc/\(pid)/stat"),
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(end + 1)...].split(separator: 32)
        return fields.count > 1 ? Int32(String(decoding: fields[1], as: UTF8.self)) : nil
    }

    /// Kills `pid` if `isStillIt` says yes once a pidfd pins it, and waits for its end; true where it has ended.
    static func end(_ pid: Int32, timeout: Double = 5, isStillIt: (Int32) -> Bool) -> Bool {
        guard let watch = pin(pid, isStillIt: isStillIt) else { return true }
        _ = cl_pidfd_send_signal(watch.number, SIGKILL)
        return (try? IO.wait(watch.number, milliseconds: Int32(timeout * 1000))) ?? false
    }

    /// Sends `signal` to `pid` if `isStillIt` says yes once a pidfd pins it.
    static func send(_ signal: Int32, to pid: Int32, isStillIt: (Int32) -> Bool) {
        guard let watch = pin(pid, isStillIt: isStillIt) else { return }
        _ = cl_pidfd_send_signal(watch.number, signal)
    }

    /// A descriptor that stands for `pid` and no later process of that number, or nil where it is not the one meant.
    private static func pin(_ pid: Int32, isStillIt: (Int32) -> Bool) -> Descriptor? {
        let fd = cl_pidfd_open(pid)
        if fd < 0 { return nil }
        let watch = Descriptor(owning: fd)
        if pid == getpid() || !isStillIt(pid) { return nil }
        return watch
    }

    /// Waits for `pid` to end by itself, without touching it.
    static func awaitEnd(_ pid: Int32, timeout: Double) {
        let fd = cl_pidfd_open(pid)
        if fd < 0 { return }
        let watch = Descriptor(owning: fd)
        _ = try? IO.wait(watch.number, milliseconds: Int32(timeout * 1000))
    }
}
