import CLinux
import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// TCP sockets on overlay addresses, none of which ever blocks.
enum MailSocket {
    /// A listener at one address, which the host need not have yet: it works as soon as, and whenever, it has.
    ///
    /// *Source:* ip(7) IP_FREEBIND, ipv6(7).
    static func listen(_ wanted: MailPlace) throws(SystemError) -> Descriptor {
        let place = wanted.endpoint
        let socket = try make(place, by: wanted.interface)
        let isIPv6 = place.address.family == .ipv6
        try set(socket, SOL_SOCKET, SO_REUSEADDR, place)
        if isIPv6 { try set(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, place) }
        try set(
            socket, Int32(isIPv6 ? IPPROTO_IPV6 : IPPROTO_IP),
            isIPv6 ? IPV6_FREEBIND : IP_FREEBIND, place)
        let number = socket.number
        let name = SocketName(place)
        try check("bind", place.description) { name.lend { Glibc.bind(number, $0, $1) } }
        try check("listen", place.description) { Glibc.listen(number, 64) }
        return socket
    }

    /// The next waiting connection and the address that it comes from, or nil.
    static func accept(_ listener: Int32) -> (socket: Int32, from: IPAddress)? {
        let kind = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = cl_accept4(listener, kind)
        guard number >= 0 else { return nil }
        guard let from = peer(of: number) else {
            close(number)
            return nil
        }
        return (number, from)
    }

    /// A connection, made before `deadline`.
    static func connect(
        _ place: SocketEndpoint, by interface: String?, deadline: Double
    ) throws(SystemError) -> Descriptor {
        let socket = try make(place, by: interface)
        let number = socket.number
        let name = SocketName(place)
        let code = name.lend { Glibc.connect(number, $0, $1) == 0 ? 0 : errno }
        if code == 0 { return socket }
        if code != EINPROGRESS {
            throw SystemError("connect", place.description, errno: code)
        }
        guard try IO.wait(number, for: .writing, milliseconds: milliseconds(until: deadline)) else {
            throw SystemError("connect", place.description, errno: ETIMEDOUT)
        }
        let failure = cl_socket_error(number)
        if failure != 0 { throw SystemError("connect", place.description, errno: failure) }
        return socket
    }

    /// What is left until a moment, as poll wants it.
    static func milliseconds(until moment: Double) -> Int32 {
        Int32((max(0, min(moment - Clocks.monotonic(), 600)) * 1000).rounded(.up))
    }

    /// *Source:* socket(7), SO_BINDTODEVICE: for the interface that has the name now, and no later one.
    private static func make(
        _ place: SocketEndpoint, by interface: String?
    ) throws(SystemError) -> Descriptor {
        let family = place.address.family == .ipv4 ? AF_INET : AF_INET6
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let made = Descriptor(
            owning: try check("socket", place.description) { socket(family, Int32(kind), 0) })
        if let interface {
            let number = made.number
            let name = Array(interface.utf8) + [0]
            try check("bind to \(interface)", place.description) {
                setsockopt(number, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count))
            }
        }
        return made
    }

    private static func set(
        _ socket: borrowing Descriptor, _ level: Int32, _ option: Int32, _ place: SocketEndpoint
    ) throws(SystemError) {
        var on: Int32 = 1
        let number = socket.number
        try check("setsockopt", place.description) {
            setsockopt(number, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    private static func peer(of number: Int32) -> IPAddress? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) {
            getpeername(number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard code == 0 else { return nil }
        let family = Int32(storage.ss_family)
        return withUnsafeBytes(of: &storage) { bytes in
            // *Source:* ip(7), ipv6(7): the address is 4 bytes into sockaddr_in and 8 into sockaddr_in6.
            switch family {
            case AF_INET: IPAddress(bytes: bytes[4..<8])
            case AF_INET6: IPAddress(bytes: bytes[8..<24])
            default: nil
            }
        }
    }
}

extension SocketName {
    /// Lends it to a call such as `bind(2)`. In each module that needs it: a C type has no place in what modules share.
    fileprivate func lend<Result>(
        _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result
    ) -> Result {
        bytes.withUnsafeBytes {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}
