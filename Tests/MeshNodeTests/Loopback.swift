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

    private static func retry(_ name: String, _ attempt: () -> (Int32, Int32)) throws -> Descriptor
    {
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

    /// A TCP option of the connection that a process has at a port of IPv4; nil where it has none.
    static func option(_ option: Int32, ofPort port: UInt16, in pid: Int32) throws -> Int32? {
        let watch = Descriptor(owning: try check("pidfd_open") { cl_pidfd_open(pid) })
        for name in try Files.list("/proc/\(pid)/fd") {
            let copy = cl_pidfd_getfd(watch.number, Int32(name) ?? -1)
            guard copy >= 0 else { continue }
            let file = Descriptor(owning: copy)
            var address = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getsockname(file.number, $0, &size)
                }
            }
            guard code == 0, address.sin_family == sa_family_t(AF_INET),
                UInt16(bigEndian: address.sin_port) == port
            else { continue }
            var value: Int32 = 0
            size = socklen_t(MemoryLayout<Int32>.size)
            try check("getsockopt") {
                getsockopt(file.number, Int32(IPPROTO_TCP), option, &value, &size)
            }
            return value
        }
        return nil
    }
}
