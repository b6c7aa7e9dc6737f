import CLinux
import Glibc

/// Processes as `/proc` shows them. What may not be looked at is nil and never a guess.
///
/// *Source:* proc(5). Looking at another user's process takes CAP_SYS_PTRACE, which the agent's sandbox has not.
public enum ProcessTable {
    /// All process ids.
    public static func all() -> [Int32] {
        ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) }
    }

    /// Arguments, or what the process has set in their place.
    public static func arguments(_ pid: Int32) -> [String] {
        let bytes = (try? Files.read("/proc/\(pid)/cmdline", limit: 1 << 17)) ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The name that the kernel has for it.
    public static func name(_ pid: Int32) -> String {
        let bytes = (try? Files.read("/proc/\(pid)/comm", limit: 64)) ?? []
        return String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
    }

    /// The program's file; one that was replaced since ends in ` (deleted)`.
    public static func program(_ pid: Int32) -> String? { link("/proc/\(pid)/exe") }

    /// The user it runs as. The owner of its folder is root's where it may not be dumped, so that does not tell.
    public static func user(_ pid: Int32) -> UInt32? {
        let text = (try? Files.read("/proc/\(pid)/status", limit: 1 << 16)) ?? []
        for line in text.split(separator: 10) where line.starts(with: "Uid:".utf8) {
            let fields = line.split { $0 == 9 || $0 == 32 }
            return fields.count > 1 ? UInt32(String(decoding: fields[1], as: UTF8.self)) : nil
        }
        return nil
    }

    /// Its parent. The command may hold spaces and brackets. *Source:* proc_pid_stat(5).
    public static func parent(_ pid: Int32) -> Int32? {
        guard let bytes = try? Files.read("/proc/\(pid)/stat", limit: 4_096),
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(end + 1)...].split(separator: 32)
        return fields.count > 1 ? Int32(String(decoding: fields[1], as: UTF8.self)) : nil
    }

    /// Device and inode of the folder that it takes for `/`.
    public static func root(_ pid: Int32) -> FileID? { FileID("/proc/\(pid)/root/") }

    /// Whether it is in the network namespace of our first thread; nil where that may not be looked at.
    public static func isHere(_ pid: Int32) -> Bool? {
        guard let own = link("/proc/self/ns/net"), let theirs = link("/proc/\(pid)/ns/net") else {
            return nil
        }
        return own == theirs
    }

    /// Inodes of the sockets it has open, by descriptor.
    public static func sockets(_ pid: Int32) -> [Int32: UInt64] {
        var found: [Int32: UInt64] = [:]
        for name in (try? Files.list("/proc/\(pid)/fd")) ?? [] {
            guard let number = Int32(name), let text = link("/proc/\(pid)/fd/\(name)"),
                text.hasPrefix("socket:["), text.hasSuffix("]"),
                let inode = UInt64(text.dropFirst(8).dropLast())
            else { continue }
            found[number] = inode
        }
        return found
    }

    /// `name (process N)` of one that has a socket open, or nil where none is seen.
    public static func holder(ofSocket inode: UInt64) -> String? {
        for pid in all() where sockets(pid).values.contains(inode) {
            return "\(name(pid)) (process \(pid))"
        }
        return nil
    }

    /// Ends a process that `isStillIt` knows once a pidfd pins it: politely, then not. True where it is gone.
    public static func end(_ pid: Int32, patience: Double, isStillIt: (Int32) -> Bool) -> Bool {
        let number = cl_pidfd_open(pid)
        if number < 0 { return true }
        let watch = Descriptor(owning: number)
        guard pid != getpid(), isStillIt(pid) else { return true }
        for (signal, limit) in [(SIGTERM, patience), (SIGKILL, 5)] {
            _ = cl_pidfd_send_signal(watch.number, signal)
            let milliseconds = Int32(limit * 1000)
            if (try? IO.wait(watch.number, milliseconds: milliseconds)) == true { return true }
        }
        return false
    }

    private static func link(_ path: String) -> String? { Files.target(path) }
}
