import CLinux
import Glibc

/// BPF programs that may send packets, or connections, elsewhere than they say, without a rule or a filter that would show.
///
/// *Source:* bpf(2), BPF_PROG_QUERY. *Privilege:* CAP_NET_ADMIN and CAP_BPF.
public enum AttachedPrograms {
    /// Where a program is attached to a link. *Source:* `linux/bpf.h`, enum bpf_attach_type.
    private static let linkHooks: [(name: String, type: UInt32)] = [
        ("tcx ingress", 46), ("tcx egress", 47), ("netkit", 54), ("netkit peer", 55),
    ]
    /// Where a program is attached to a cgroup, and sees the addresses that its processes dial.
    private static let groupHooks: [(name: String, type: UInt32)] = [
        ("connect4", 10), ("connect6", 11), ("sendmsg4", 14), ("sendmsg6", 15),
    ]
    /// More cgroups than this are not looked into.
    private static let groupLimit = 8_192

    /// Those of a link of the calling thread's network namespace, as text.
    ///
    /// *Throws:* where the kernel does not tell; one that knows no such programs has none.
    public static func ofLink(_ index: Int32) throws(SystemError) -> [String] {
        try attached(UInt32(bitPattern: index), linkHooks)
    }

    /// Those that rewrite what processes dial, as text, of every cgroup below `root`.
    ///
    /// *Throws:* as ``ofLink(_:)``; `EMFILE` where there are too many cgroups.
    public static func ofGroups(below root: String = "/sys/fs/cgroup") throws(SystemError)
        -> [String]
    {
        var found: [String] = []
        var left = [root]
        var count = 0
        while let path = left.popLast() {
            count += 1
            if count > groupLimit { throw SystemError("list cgroups", root, errno: EMFILE) }
            let number = cl_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
            // Gone meanwhile.
            if number < 0 { continue }
            let file = Descriptor(owning: number)
            found += try attached(UInt32(file.number), groupHooks).map { "cgroup \(path) \($0)" }
            left += ((try? Files.list(path)) ?? []).map { "\(path)/\($0)" }.filter(isFolder)
        }
        return found
    }

    private static func isFolder(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    private static func attached(
        _ target: UInt32, _ hooks: [(name: String, type: UInt32)]
    ) throws(SystemError) -> [String] {
        var found: [String] = []
        for hook in hooks {
            let count = cl_attached_programs(target, hook.type)
            let code = errno
            if count > 0 { found.append("\(hook.name): \(count) BPF") }
            // A kernel without bpf(2), without this hook, a link that cannot have it, or a folder that is no cgroup.
            let isAbsent = [ENOSYS, EINVAL, EBADF, ENODEV, ENOENT, EOPNOTSUPP].contains(code)
            if count < 0 && !isAbsent {
                throw SystemError("look for BPF programs", hook.name, errno: code)
            }
        }
        return found
    }
}
