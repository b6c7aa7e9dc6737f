import CLinux
import Glibc
public import LinuxSystem

/// TCP sockets for joins.
public enum JoinSockets {
    /// Listens on an address of this machine; `port` 0 has the kernel choose one.
    public static func listen(
        on address: String, port: UInt16
    ) throws(JoinChannelError) -> Descriptor {
        let found = try Resolved(
            address, port, flags: AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV)
        var last = SystemError("listen", address, errno: EADDRNOTAVAIL)
        for place in found.places {
            do throws(SystemError) {
                return try open(place, subject: "\(address) port \(port)")
            } catch {
                last = error
            }
        }
        throw JoinChannelError(.system, "\(last)")
    }

    private static func open(
        _ place: Resolved.Place, subject: String
    ) throws(SystemError) -> Descriptor {
        let socket = Descriptor(
            owning: try check("socket") { Glibc.socket(place.family, kind, 0) })
        let number = socket.number
        // A port that an invite has just given up is free for the next.
        set(number, SOL_SOCKET, SO_REUSEADDR)
        if place.family == AF_INET6 { set(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
        try check("bind", subject) { place.lend { bind(number, $0, $1) } }
        try check("listen", subject) { Glibc.listen(number, 64) }
        return socket
    }

    /// The port that a socket is bound to.
    public static func port(of number: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) {
            getsockname(number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        if code != 0 { return 0 }
        // *Shape:* both families have the port behind the family.
        return withUnsafeBytes(of: &storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    /// The next waiting connection and where it is from; nil where none waits.
    public static func accept(_ listener: Int32) throws(SystemError) -> (
        number: Int32, peer: String
    )? {
        let flags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number: Int32
        do throws(SystemError) {
            number = try check("accept") { cl_accept4(listener, flags) }
        } catch {
            switch error.errno {
            // Nobody there, or gone again meanwhile. *Source:* accept(2).
            case EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EHOSTDOWN:
                return nil
            default: throw error
            }
        }
        tune(number)
        return (number, peer(of: number))
    }

    /// A connection to one of the addresses that `host` stands for; the first that answers.
    ///
    /// *Throws:* `unreachable`, `timeout`.
    public static func connect(
        to host: String, port: UInt16, deadline: Double
    ) throws(JoinChannelError) -> Descriptor {
        let found = try Resolved(host, port, flags: AI_NUMERICSERV | AI_ADDRCONFIG)
        var last = SystemError("connect", host, errno: EHOSTUNREACH)
        for (index, place) in found.places.enumerated() {
            // One that swallows everything must leave time for the next.
            let share = (deadline - Clocks.monotonic()) / Double(found.places.count - index)
            do throws(SystemError) {
                return try connect(place, deadline: Clocks.monotonic() + max(share, 0.1))
            } catch { last = error }
        }
        throw JoinChannelError(
            last.errno == ETIMEDOUT ? .timeout : .unreachable,
            "\(host) port \(port): \(SystemError.text(last.errno))")
    }

    private static func connect(
        _ place: Resolved.Place, deadline: Double
    ) throws(SystemError) -> Descriptor {
        let socket = Descriptor(
            owning: try check("socket") { Glibc.socket(place.family, kind, 0) })
        let number = socket.number
        tune(number)
        let code = place.lend { Glibc.connect(number, $0, $1) == 0 ? 0 : errno }
        if code == 0 { return socket }
        if code != EINPROGRESS && code != EINTR { throw SystemError("connect", "", errno: code) }
        let left = max(0, min(deadline - Clocks.monotonic(), 600))
        guard try IO.wait(number, for: .writing, milliseconds: Int32(left * 1000)) else {
            throw SystemError("connect", "", errno: ETIMEDOUT)
        }
        let outcome = cl_socket_error(number)
        if outcome != 0 { throw SystemError("connect", "", errno: max(outcome, 0)) }
        return socket
    }

    private static let kind =
        Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    /// Small messages at once, and a way that is cut is noticed within seconds.
    private static func tune(_ number: Int32) {
        set(number, Int32(IPPROTO_TCP), TCP_NODELAY)
        set(number, SOL_SOCKET, SO_KEEPALIVE)
        set(number, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 5)
        set(number, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
        set(number, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        // *Units:* milliseconds. *Source:* tcp(7).
        set(number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 20_000)
    }

    private static func set(_ number: Int32, _ level: Int32, _ name: Int32, _ value: Int32 = 1) {
        var value = value
        _ = setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func peer(of number: Int32) -> String {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = withUnsafeMutableBytes(of: &storage) { raw in
            let name = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            guard getpeername(number, name, &size) == 0 else { return Int32(-1) }
            return getnameinfo(
                name, size, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        }
        if code != 0 { return "somebody" }
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What getaddrinfo(3) makes of a name.
private struct Resolved {
    struct Place {
        let family: Int32
        let name: [UInt8]

        func lend<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
            name.withUnsafeBytes {
                body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
        }
    }

    var places: [Place] = []

    init(_ host: String, _ port: UInt16, flags: Int32) throws(JoinChannelError) {
        var hints = addrinfo()
        hints.ai_flags = flags
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0 else {
            throw JoinChannelError(.unreachable, "\(host): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            guard let name = entry.ai_addr else { continue }
            places.append(
                Place(
                    family: entry.ai_family,
                    name: Array(
                        UnsafeRawBufferPointer(start: name, count: Int(entry.ai_addrlen)))))
        }
    }
}
