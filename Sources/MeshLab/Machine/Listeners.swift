import LinuxSystem

/// What listens in the namespaces of a process, read from outside. *Source:* `proc_pid_net(5)`.
struct Listeners {
    private let ports: Set<UInt16>
    private let sockets: Set<String>

    init(of pid: Int32) {
        ports = Set(["tcp", "tcp6"].flatMap { Listeners.ports("/proc/\(pid)/net/\($0)") })
        sockets = Listeners.sockets("/proc/\(pid)/net/unix")
    }

    func has(_ port: UInt16) -> Bool { ports.contains(port) }

    func has(_ service: ServiceSpec) -> Bool {
        service.socketPath.map(sockets.contains) ?? has(service.port)
    }

    private static func lines(_ path: String) -> [[String]] {
        guard let text = try? Files.read(path) else { return [] }
        return text.split(separator: 10).dropFirst().map { line in
            line.split(separator: 32).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// `sl local_address rem_address st …`; 0A is TCP_LISTEN, the port is the hexadecimal end of the address.
    private static func ports(_ path: String) -> [UInt16] {
        lines(path).compactMap { fields in
            guard fields.count > 3, fields[3] == "0A" else { return nil }
            return UInt16(fields[1].suffix(4), radix: 16)
        }
    }

    /// `Num RefCount Protocol Flags Type St Inode Path`; flag 0x10000 is SO_ACCEPTCON.
    private static func sockets(_ path: String) -> Set<String> {
        Set(
            lines(path).compactMap { fields in
                fields.count > 7 && fields[3] == "00010000" ? fields[7] : nil
            })
    }
}
