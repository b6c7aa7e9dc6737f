import Glibc
import LinuxSystem
import MeshModel

/// Which program listens where we wanted to.
///
/// *Privilege:* root sees every process; others only their own. *Source:* proc(5), /proc/net/tcp, /proc/net/unix.
enum PortHolder {
    /// `sshd (pid 812)`, or nil where /proc does not tell.
    static func find(_ end: TunnelEnd) -> String? {
        let sockets: Set<String>
        switch end {
        case .tcp(let place): sockets = listeners(place)
        case .unix(let path): sockets = listeners(path)
        }
        if sockets.isEmpty { return nil }
        for name in (try? Files.list("/proc")) ?? [] where Int32(name) != nil {
            for file in (try? Files.list("/proc/\(name)/fd")) ?? []
            where link("/proc/\(name)/fd/\(file)").map(sockets.contains) == true {
                let words = (try? Files.read("/proc/\(name)/comm")) ?? []
                let program = String(decoding: words, as: UTF8.self).filter { !$0.isNewline }
                return "\(program) (pid \(name))"
            }
        }
        return nil
    }

    /// `socket:[inode]` of everything that listens at `place`, or at its port on every address. The other family's
    /// loopback does not count: we may have that ourselves.
    private static func listeners(_ place: SocketEndpoint) -> Set<String> {
        let digits = String(place.port, radix: 16, uppercase: true)
        let ending = ":" + String(repeating: "0", count: 4 - digits.count) + digits
        var found: Set<String> = []
        let own = place.address.family == .ipv4 ? "/proc/net/tcp" : "/proc/net/tcp6"
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for fields in rows(table) where fields.count > 9 {
                // 0A is LISTEN, in the kernel's tcp_states.h.
                let isEvery = fields[1].prefix { $0 != ":" }.allSatisfy { $0 == "0" }
                if fields[1].hasSuffix(ending) && fields[3] == "0A" && (isEvery || table == own) {
                    found.insert("socket:[\(fields[9])]")
                }
            }
        }
        return found
    }

    private static func listeners(_ path: String) -> Set<String> {
        Set(
            rows("/proc/net/unix").filter { $0.count > 7 && $0[7] == path }
                .map { "socket:[\($0[6])]" })
    }

    private static func rows(_ table: String) -> [[Substring]] {
        let bytes = (try? Files.read(table)) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .map { $0.split(separator: " ") }
    }

    private static func link(_ path: String) -> String? {
        var target = [UInt8](repeating: 0, count: 64)
        let count = target.withUnsafeMutableBytes { buffer in
            buffer.baseAddress.map {
                readlink(path, $0.assumingMemoryBound(to: CChar.self), buffer.count)
            } ?? 0
        }
        return count > 0 ? String(decoding: target.prefix(count), as: UTF8.self) : nil
    }
}
