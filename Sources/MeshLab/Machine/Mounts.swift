import Glibc
import LinuxSystem

/// Mounts of this process's mount namespace. *Source:* `mount(2)`, `umount2(2)`, `proc_pid_mountinfo(5)`.
enum Mounts {
    static func attach(
        _ source: String, at target: String, type: String = "", flags: Int = 0, options: String = ""
    ) throws(SystemError) {
        try check("mount", target) { mount(source, target, type, UInt(flags), options) }
    }

    static func bind(_ source: String, at target: String) throws(SystemError) {
        try attach(source, at: target, flags: MS_BIND | MS_REC)
    }

    /// Takes away everything mounted at `target`, even while in use; true where there was something.
    @discardableResult
    static func detach(_ target: String) -> Bool {
        var found = false
        while umount2(target, Int32(MNT_DETACH | UMOUNT_NOFOLLOW)) == 0 { found = true }
        return found
    }

    /// Mount points at or below `folder`, the deepest first.
    static func below(_ folder: String) -> [String] {
        guard let text = try? Files.read("/proc/self/mountinfo") else { return [] }
        return text.split(separator: 10).compactMap { line -> String? in
            let fields = line.split(separator: 32)
            guard fields.count > 4 else { return nil }
            let point = String(decoding: fields[4], as: UTF8.self)
            return point == folder || point.hasPrefix(folder + "/") ? point : nil
        }.reversed()
    }

    /// Makes a folder a shared mount of its own, as `ip netns` does at its first use: were it left to that, its mount
    /// would later cover what is mounted below.
    static func share(_ folder: String) throws(SystemError) {
        if !isMounted(folder) { try bind(folder, at: folder) }
        try attach("none", at: folder, type: "none", flags: MS_SHARED | MS_REC)
    }

    static func isMounted(_ point: String) -> Bool { below(point).contains(point) }
}
