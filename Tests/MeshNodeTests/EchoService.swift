import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// A service that sends back what it gets, on loopback TCP or a unix socket, until it goes.
final class EchoService {
    let end: TunnelEnd
    /// The port; 0 for a unix socket.
    let port: UInt16
    private let listener: Int32
    private let worker: Worker

    /// On a port of 127.0.0.1 or ::1 that the kernel chooses.
    convenience init(ipv6: Bool = false) throws {
        let family = ipv6 ? AF_INET6 : AF_INET
        let number = try check("socket") {
            socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        let address =
            ipv6 ? IPAddress(family: .ipv6, high: 0, low: 1) : IPAddress(ipv4: 0x7f00_0001)
        var place = [UInt8](repeating: 0, count: ipv6 ? 28 : 16)
        withUnsafeBytes(of: UInt16(family)) { place.replaceSubrange(0..<2, with: $0) }
        let start = ipv6 ? 8 : 4
        place.replaceSubrange(start..<start + address.bytes.count, with: address.bytes)
        var size = socklen_t(place.count)
        try place.withUnsafeMutableBytes { raw in
            let generic = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            try check("bind") { bind(number, generic, size) }
            try check("getsockname") { getsockname(number, generic!, &size) }
        }
        let port = UInt16(place[2]) << 8 | UInt16(place[3])
        try self.init(number, .tcp(SocketEndpoint(address, port)), port)
    }

    /// On a unix socket that everybody may connect to.
    convenience init(path: String) throws {
        let number = try check("socket") {
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        try check("bind", path) { cl_unix_bind(number, path) }
        try check("chmod", path) { chmod(path, 0o777) }
        try self.init(number, .unix(path), 0)
    }

    private init(_ number: Int32, _ end: TunnelEnd, _ port: UInt16) throws {
        try check("listen") { listen(number, 64) }
        self.end = end
        self.port = port
        listener = number
        worker = try Worker("echo") {
            while true {
                let connection = cl_accept4(number, Int32(SOCK_CLOEXEC.rawValue))
                if connection < 0 { return }
                _ = try? Worker("echo connection") {
                    let socket = Descriptor(owning: connection)
                    while let chunk = try? IO.read(socket.number), !chunk.isEmpty,
                        (try? IO.writeAll(socket.number, chunk)) != nil
                    {}
                }
            }
        }
    }

    deinit {
        // Wakes the thread that waits in accept.
        shutdown(listener, Int32(SHUT_RDWR))
        worker.join()
        close(listener)
    }
}
