import CLinux
import Glibc
import LinuxSystem

/// Connections to what a test has just started on this machine; tried until it listens.
enum Loopback {
    static func connect(_ port: UInt16) throws -> Descriptor {
        try retry("127.0.0.1:\(port)") {
            let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let code = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            return (number, code)
        }
    }

    /// What comes back for a line sent to a unix socket; nil where it is closed instead.
    static func echo(path: String) throws -> String? {
        let socket = try retry(path) {
            let number = Glibc.socket(
                AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            return (number, cl_unix_connect(number, path))
        }
        try? IO.writeAll(socket.number, Array("hello".utf8))
        guard let bytes = try? IO.read(socket.number), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func retry(_ name: String, _ attempt: () -> (Int32, Int32)) throws -> Descriptor {
        for _ in 0..<1000 {
            let (number, code) = attempt()
            if code == 0 { return Descriptor(owning: number) }
            close(number)
            Clocks.sleep(0.02)
        }
        throw SystemError("connect", name, errno: ECONNREFUSED)
    }
}

/// What a test looks up in /proc.
enum ProcessLook {
    /// The path of the folder that a process takes for `/`.
    static func root(_ pid: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/\(pid)/root", &buffer, 4_095)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
