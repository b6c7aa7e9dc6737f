import CLinux
import Glibc
import LinuxSystem
import MeshModel

/// TCP and unix stream sockets.
enum Sockets {
    /// A listening, non-blocking socket; an address that the host does not have yet is fine (IP_FREEBIND).
    static func listen(_ endpoint: SocketEndpoint) throws(SystemError) -> Descriptor {
        let name = endpoint.description
        let socket = try make(family(endpoint), name)
        try option(socket, SOL_SOCKET, SO_REUSEADDR, 1, name)
        if endpoint.address.family == .ipv6 {
            try option(
                socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, endpoint.address.isUnspecified ? 0 : 1,
                name)
            try option(socket, Int32(IPPROTO_IPV6), IPV6_FREEBIND, 1, name)
        } else {
            try option(socket, Int32(IPPROTO_IP), IP_FREEBIND, 1, name)
        }
        let number = socket.number
        try check("bind", name) {
            withAddress(endpoint) { bind(number, $0, $1) }
        }
        try check("listen", name) { Glibc.listen(number, 1024) }
        return socket
    }

    /// As ``listen(_:)`` for a unix socket; a dead one at that path is replaced.
    static func listen(path: String) throws(SystemError) -> Descriptor {
        let socket = try make(AF_UNIX, path)
        let number = socket.number
        try Files.makeFolder(Files.folder(of: path), mode: 0o755)
        try Files.remove(path)
        try check("bind", path) { cl_unix_bind(number, path) }
        try check("chmod", path) { chmod(path, 0o666) }
        try check("listen", path) { Glibc.listen(number, 1024) }
        return socket
    }

    /// A connected socket.
    static func connect(
        _ endpoint: SocketEndpoint, timeout: Double
    ) throws(SystemError) -> Descriptor {
        let name = endpoint.description
        let socket = try make(family(endpoint), name)
        let number = socket.number
        let result = withAddress(endpoint) { Glibc.connect(number, $0, $1) == 0 ? 0 : errno }
        if result == 0 { return socket }
        if result != EINPROGRESS { throw SystemError("connect", name, errno: result) }
        guard try IO.wait(number, for: .writing, milliseconds: Int32(timeout * 1000)) else {
            throw SystemError("connect", name, errno: ETIMEDOUT)
        }
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try check("getsockopt", name) { getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &length) }
        if code != 0 { throw SystemError("connect", name, errno: code) }
        return socket
    }

    private static func family(_ endpoint: SocketEndpoint) -> Int32 {
        endpoint.address.family == .ipv4 ? AF_INET : AF_INET6
    }

    private static func make(_ family: Int32, _ name: String) throws(SystemError) -> Descriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return Descriptor(owning: try check("socket", name) { socket(family, kind, 0) })
    }

    private static func option(
        _ socket: borrowing Descriptor, _ level: Int32, _ name: Int32, _ value: Int32,
        _ subject: String
    ) throws(SystemError) {
        var value = value
        let number = socket.number
        try check("setsockopt", subject) {
            setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// *Shape:* `sockaddr_in` or `sockaddr_in6`, port in network order.
    private static func withAddress<Result>(
        _ endpoint: SocketEndpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        let bytes = endpoint.address.bytes
        if endpoint.address.family == .ipv4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: bytes) }
            return withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = endpoint.port.bigEndian
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
}
