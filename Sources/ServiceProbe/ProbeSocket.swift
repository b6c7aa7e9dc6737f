import CLinux
import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// A connection in clear, made within the attempt's time. Nothing waits in the kernel: every wait has a deadline.
final class ProbeSocket: ProbeStream {
    let attempt: Attempt
    private let descriptor: Descriptor

    /// The descriptor's number, for TLS.
    var number: Int32 { descriptor.number }

    init(_ attempt: Attempt) throws(ProbeEnd) {
        self.attempt = attempt
        let target = attempt.order.target
        do throws(SystemError) {
            descriptor = try Self.connect(target, deadline: attempt.deadline)
        } catch {
            throw ProbeEnd(connecting: error, to: target)
        }
        attempt.localEnd = Self.localEnd(descriptor.number)
    }

    private static func connect(
        _ target: TunnelEnd, deadline: Double
    ) throws(SystemError) -> Descriptor {
        let family: Int32
        switch target {
        case .tcp(let end): family = end.address.family == .ipv4 ? AF_INET : AF_INET6
        case .unix(let path):
            if path.utf8.contains(0) { throw SystemError("connect", "", errno: EINVAL) }
            family = AF_UNIX
        }
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(
            owning: try check("socket") { Glibc.socket(family, kind, 0) })
        let number = socket.number
        let code: Int32
        switch target {
        case .tcp(let end):
            code = SocketName(end).lend { Glibc.connect(number, $0, $1) == 0 ? 0 : errno }
        case .unix(let path):
            code = cl_unix_connect(number, path) == 0 ? 0 : errno
        }
        if code == 0 { return socket }
        // A unix socket whose queue is full says so at once.
        if code == EAGAIN { throw SystemError("connect", "", errno: ETIMEDOUT) }
        if code != EINPROGRESS && code != EINTR { throw SystemError("connect", "", errno: code) }
        guard try IO.wait(number, for: .writing, milliseconds: milliseconds(until: deadline)) else {
            throw SystemError("connect", "", errno: ETIMEDOUT)
        }
        var pending: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        try check("getsockopt") { getsockopt(number, SOL_SOCKET, SO_ERROR, &pending, &size) }
        if pending != 0 { throw SystemError("connect", "", errno: pending) }
        return socket
    }

    /// What is left until a moment, as poll wants it.
    static func milliseconds(until moment: Double) -> Int32 {
        Int32(max(0, min(moment - Clocks.monotonic(), 600)) * 1000 + 0.999)
    }

    /// Our address and port; nil for a unix socket.
    static func localEnd(_ number: Int32) -> SocketEndpoint? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) {
            getsockname(number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard code == 0 else { return nil }
        let bytes = withUnsafeBytes(of: &storage) { Array($0) }
        // *Shape:* both families begin with the family and the port; IPv6 has the flow between port and address.
        let address: IPAddress?
        switch Int32(storage.ss_family) {
        case AF_INET: address = IPAddress(bytes: bytes[4..<8])
        case AF_INET6: address = IPAddress(bytes: bytes[8..<24])
        default: return nil
        }
        return address.map { SocketEndpoint($0, UInt16(bytes[2]) << 8 | UInt16(bytes[3])) }
    }

    /// Waits until the socket is ready; false where the moment came first.
    func wait(for readiness: IO.Readiness, until moment: Double) throws(ProbeEnd) -> Bool {
        do throws(SystemError) {
            return try IO.wait(
                number, for: readiness, milliseconds: Self.milliseconds(until: moment))
        } catch {
            throw ProbeEnd(.failed, "\(error)")
        }
    }

    func send(_ bytes: [UInt8]) throws(ProbeEnd) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let (count, code) = rest.withUnsafeBytes { raw in
                let count = Glibc.send(
                    number, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL))
                return (count, count < 0 ? errno : 0)
            }
            if count >= 0 {
                attempt.sent += UInt64(count)
                rest = rest.dropFirst(count)
                continue
            }
            switch code {
            case EINTR: continue
            case EAGAIN:
                guard try wait(for: .writing, until: attempt.deadline) else { return }
            // It has gone; what it said before that is still to be read.
            default: return
            }
        }
    }

    func receive(limit: Int, until moment: Double) throws(ProbeEnd) -> Arrival {
        while true {
            var code: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: min(limit, 16_384)) { buffer, count in
                let got = recv(number, buffer.baseAddress, buffer.count, 0)
                code = got < 0 ? errno : 0
                count = max(got, 0)
            }
            if !bytes.isEmpty {
                attempt.received += UInt64(bytes.count)
                return .bytes(bytes)
            }
            switch code {
            case 0: return .ended("closed it")
            case EINTR: continue
            case EAGAIN:
                guard try wait(for: .reading, until: moment) else { return .nothing }
            case ECONNRESET, EPIPE: return .ended("reset it")
            case ETIMEDOUT: return .nothing
            case EHOSTUNREACH, ENETUNREACH:
                throw ProbeEnd(.unreachable, SystemError.text(code))
            default: throw ProbeEnd(.failed, SystemError.text(code))
            }
        }
    }
}

extension SocketName {
    /// Lends it to a call such as `connect(2)`.
    func lend<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}
