import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// The byte stream beneath a session: a TCP connection, or a proxy command.
struct Transport: ~Copyable {
    let descriptor: Descriptor
    /// The peer's address, or nil behind a proxy command.
    let address: String?
    let proxy: ProxyProcess?
    /// How long TCP's handshake took: one way there and back, with nothing queued on it. 0 behind a proxy command.
    let roundTrip: Double

    /// Hands the parts out; the caller closes the descriptor.
    consuming func split() -> (Int32, String?, ProxyProcess?, Double) {
        let address = self.address
        let proxy = self.proxy
        let roundTrip = self.roundTrip
        return (descriptor.release(), address, proxy, roundTrip)
    }

    /// Opens the stream that `configuration` asks for.
    static func open(
        _ configuration: SSHConfiguration, deadline: Double, interrupt: Int32 = -1
    ) throws(SSHError) -> Transport {
        let subject = configuration.subject
        if let command = configuration.proxyCommand {
            do {
                return try ProxyProcess.start(command)
            } catch {
                throw SSHError(
                    .unreachable, "connect", subject, "proxy command: \(error)", errno: error.errno,
                    hint: "check ProxyCommand or ProxyJump in ssh_config")
            }
        }
        let addresses = try Resolution.resolve(
            configuration, deadline: deadline, interrupt: interrupt)
        var failure = SSHError(.resolve, "connect", subject, "the name has no address")
        for (index, address) in addresses.enumerated() {
            // Each address gets its share of what is left, so that one dead address does not eat it all.
            let now = Clocks.monotonic()
            let share = (deadline - now) / Double(addresses.count - index)
            do throws(SSHError) {
                let socket = try connect(
                    address, subject, deadline: now + share, interrupt: interrupt)
                return Transport(
                    descriptor: socket, address: address.text, proxy: nil,
                    roundTrip: Clocks.monotonic() - now)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func connect(
        _ address: ResolvedAddress, _ subject: String, deadline: Double, interrupt: Int32
    ) throws(SSHError) -> Descriptor {
        do throws(SystemError) {
            let kind =
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue)
            let socket = Descriptor(
                owning: try check("socket") { Glibc.socket(address.family, kind, 0) })
            let number = socket.number
            let code = address.bytes.withUnsafeBytes { raw in
                let pointer = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)
                return Glibc.connect(number, pointer, socklen_t(raw.count)) == 0 ? 0 : errno
            }
            if code != 0 && code != EINPROGRESS { throw SystemError("connect", "", errno: code) }
            let left = Int32(max(0, min(deadline - Clocks.monotonic(), 86_400)) * 1000)
            if try !IO.wait(
                number, for: .writing, milliseconds: left, interrupt: interrupt)
            {
                throw SystemError("connect", "", errno: ETIMEDOUT)
            }
            var pending: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            try check("getsockopt") { getsockopt(number, SOL_SOCKET, SO_ERROR, &pending, &size) }
            if pending != 0 { throw SystemError("connect", "", errno: pending) }
            tune(number)
            return socket
        } catch {
            throw explain(error, address.text, subject)
        }
    }

    /// Small requests leave at once; a dead peer is noticed even while nothing is sent, and soon while something is.
    private static func tune(_ socket: Int32) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 15)
        set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 45_000)
    }

    private static func explain(_ error: SystemError, _ address: String, _ subject: String)
        -> SSHError
    {
        let words = "\(address): \(SystemError.text(error.errno))"
        switch error.errno {
        case ECONNREFUSED:
            return SSHError(
                .refused, "connect", subject, words, errno: error.errno,
                hint: "is sshd running there, and is this its port?")
        case ETIMEDOUT:
            return SSHError(
                .timeout, "connect", subject, "\(address) does not answer", errno: error.errno,
                hint: "is the host up, and does a firewall let this port through?")
        default:
            return SSHError(
                .unreachable, "connect", subject, words, errno: error.errno,
                hint: "check the address and the route to it")
        }
    }
}

/// One address of a host.
struct ResolvedAddress: Sendable {
    let family: Int32
    /// A whole `sockaddr_in` or `sockaddr_in6`.
    let bytes: [UInt8]
    let text: String
}

/// Name resolution with a deadline. `getaddrinfo` has none of its own, so it runs on a thread that may be left behind.
enum Resolution {
    private struct Outcome: Sendable {
        var code: Int32
        var addresses: [ResolvedAddress]
    }

    static func resolve(
        _ configuration: SSHConfiguration, deadline: Double, interrupt: Int32
    ) throws(SSHError) -> [ResolvedAddress] {
        let (host, port) = (configuration.host, String(configuration.port))
        var outcome = lookUp(host, port, flags: AI_NUMERICHOST)
        if outcome.code != 0 {
            do throws(SystemError) {
                outcome = try lookUpApart(host, port, deadline: deadline, interrupt: interrupt)
            } catch {
                throw SSHError(
                    .timeout, "resolve", configuration.subject, "no answer from the resolver",
                    errno: error.errno, hint: "check /etc/resolv.conf, or write the address itself")
            }
        }
        if outcome.code == 0 && !outcome.addresses.isEmpty { return outcome.addresses }
        let words = gai_strerror(outcome.code).map { String(cString: $0) } ?? "not found"
        throw SSHError(
            .resolve, "resolve", configuration.subject, "\(host): \(words)",
            hint: "check the spelling, or write an address or an ssh_config alias")
    }

    private static func lookUpApart(
        _ host: String, _ port: String, deadline: Double, interrupt: Int32
    ) throws(SystemError) -> Outcome {
        let answer = ResolutionAnswer<Outcome>()
        let (reader, writer) = try IO.pipe().split()
        defer { close(reader) }
        do throws(SystemError) {
            // Not joined: a resolver that hangs must not hold the caller beyond its deadline.
            _ = try Worker("mp-resolve") {
                answer.put(lookUp(host, port, flags: 0))
                close(writer)
            }
        } catch {
            close(writer)
            throw error
        }
        let left = Int32(max(0, min(deadline - Clocks.monotonic(), 86_400)) * 1000)
        guard try IO.wait(reader, milliseconds: left, interrupt: interrupt),
            let outcome = answer.get()
        else {
            throw SystemError("resolve", host, errno: ETIMEDOUT)
        }
        return outcome
    }

    private static func lookUp(_ host: String, _ port: String, flags: Int32) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, port, &hints, &list)
        if code != 0 { return Outcome(code: code, addresses: []) }
        defer { freeaddrinfo(list) }
        var addresses: [ResolvedAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let address = entry.pointee.ai_addr else { continue }
            let count = Int(entry.pointee.ai_addrlen)
            addresses.append(
                ResolvedAddress(
                    family: entry.pointee.ai_family,
                    bytes: Array(UnsafeRawBufferPointer(start: address, count: count)),
                    text: text(address, entry.pointee.ai_addrlen)))
        }
        return Outcome(code: 0, addresses: addresses)
    }

    private static func text(_ address: UnsafeMutablePointer<sockaddr>, _ count: socklen_t)
        -> String
    {
        var buffer = [CChar](repeating: 0, count: 128)
        let code = getnameinfo(
            address, count, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
        if code != 0 { return "unknown" }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

private final class ResolutionAnswer<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func put(_ new: Value) { value.withLock { $0 = new } }
    func get() -> Value? { value.withLock { $0 } }
}

/// A proxy command, ended with the session that it carries.
final class ProxyProcess {
    private let child: Child

    private init(_ child: consuming Child) {
        self.child = child
    }

    /// Starts `command` in a shell; our end of a socket pair is its standard input and output.
    static func start(_ command: String) throws(SystemError) -> Transport {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try check("socketpair") { socketpair(AF_UNIX, kind, 0, &ends) }
        let ours = Descriptor(owning: ends[0])
        let theirs = Descriptor(owning: ends[1])
        let number = ours.number
        try check("fcntl") { cl_fcntl(number, F_SETFL, O_NONBLOCK) }
        // Its own session: Ctrl-C in the terminal ends us first, and we end it.
        let child = try Child(
            ["/bin/sh", "-c", command], input: theirs.number, output: theirs.number,
            newSession: true)
        return Transport(
            descriptor: ours, address: nil, proxy: ProxyProcess(child), roundTrip: 0)
    }

    deinit {
        child.signal(SIGTERM)
        if (try? child.wait(milliseconds: 1000)) == nil {
            child.signal(SIGKILL)
            _ = try? child.wait(milliseconds: 1000)
        }
    }
}
