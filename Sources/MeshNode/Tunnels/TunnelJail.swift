import Glibc
import LinuxSystem
import MeshModel

/// The folder that tunnel sessions are shut into, and in it the folders of the unix sockets that are granted.
///
/// What a session cannot name it cannot reach, and it can name only what is mounted here; what of that its key may reach
/// is permitopen's to say. A socket's folder is mounted and not the socket itself, which a service makes anew when it
/// starts.
///
/// *Source:* mount(2), umount2(2), proc_pid_mountinfo(5). *Privilege:* CAP_SYS_ADMIN where there are sockets.
struct TunnelJail {
    let folders: NodeFolders

    /// The folders that `grants` need.
    static func folders(for grants: [TunnelGrant]) -> [String] {
        let paths = grants.flatMap(\.targets).compactMap { target in
            if case .unix(let path) = target { return Files.folder(of: path) }
            return nil
        }
        // A folder within another needs no mount of its own.
        let all = Set(paths)
        return all.filter { folder in
            !all.contains { $0 != folder && folder.hasPrefix("\($0)/") }
        }.sorted()
    }

    /// Makes the jail, and mounts in it what is not yet.
    func add(_ wanted: [String]) throws(TunnelServerFailure) {
        do throws(SystemError) {
            try Files.makeFolder(folders.tunnelJail, mode: 0o755)
        } catch {
            throw TunnelServerFailure("make the sessions' folder", error)
        }
        for folder in missing(wanted) {
            let place = folders.tunnelJail + folder
            // One that was removed and made anew since it was mounted.
            if mounted().contains(folder) {
                _ = try removeOthers(than: wanted.filter { $0 != folder })
            }
            do throws(SystemError) {
                try Files.makeFolder(place, mode: 0o755)
                try check("mount", place) { mount(folder, place, nil, UInt(MS_BIND), nil) }
                // Sockets answer all the same; nothing else may be done there.
                let flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
                try check("mount", place) { mount(nil, place, nil, UInt(flags), nil) }
            } catch {
                throw TunnelServerFailure("mount \(folder) for the sessions", error)
            }
        }
    }

    /// The folders of `wanted` that are there, but not in the jail.
    func missing(_ wanted: [String]) -> [String] {
        wanted.filter { folder in
            guard let there = FileID(folder), Files.isFolder(folder) else { return false }
            return FileID(folders.tunnelJail + folder) != there
        }
    }

    /// Takes away what is mounted and not wanted any more, and says which.
    func removeOthers(than wanted: [String]) throws(TunnelServerFailure) -> [String] {
        var gone: [String] = []
        for folder in mounted().reversed() where !wanted.contains(folder) {
            let place = folders.tunnelJail + folder
            do throws(SystemError) {
                try check("umount", place) {
                    umount2(place, Int32(MNT_DETACH) | Int32(UMOUNT_NOFOLLOW))
                }
            } catch {
                throw TunnelServerFailure("unmount \(place)", error)
            }
            gone.append("mount \(place)")
            // The folders made for it, as far up as they are empty.
            var empty = place
            while empty != folders.tunnelJail, rmdir(empty) == 0 { empty = Files.folder(of: empty) }
        }
        return gone
    }

    /// What is mounted in the jail, as the folders that it stands for, in the order of mounting.
    func mounted() -> [String] {
        let prefix = folders.tunnelJail + "/"
        let text = (try? Files.read("/proc/self/mountinfo")) ?? []
        return text.split(separator: 10).compactMap { line in
            let fields = line.split(separator: 32)
            guard fields.count > 4 else { return nil }
            let place = Self.unescape(fields[4])
            return place.hasPrefix(prefix)
                ? String(place.dropFirst(folders.tunnelJail.count)) : nil
        }
    }

    /// The kernel writes space, tab, newline and backslash as three octal digits.
    private static func unescape(_ text: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
