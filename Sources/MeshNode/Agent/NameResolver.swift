import CLinux
import Glibc
import LinuxSystem
import MeshModel
import Synchronization

/// Looks host names up on a thread of its own, since `getaddrinfo(3)` waits as long as it likes.
final class NameResolver: Sendable {
    private let mailbox = Mutex<[Endpoint: SocketEndpoint]>([:])
    private let busy = Mutex(false)
    private let bell: Descriptor

    /// A resolver that asks nobody yet.
    init() throws(SystemError) {
        bell = Descriptor(owning: try check("eventfd") { cl_eventfd() })
    }

    /// Readable once answers are there.
    var descriptor: Int32 { bell.number }

    /// Whether it is still asking.
    var isBusy: Bool { busy.withLock(\.self) }

    /// Asks for these names; they must not be asked for while ``isBusy``.
    func ask(_ names: [Endpoint]) throws(SystemError) {
        busy.withLock { $0 = true }
        do {
            // The thread ends by itself; nobody joins one that may hang in the resolver.
            _ = try Worker("mp-names") { [self] in
                let answers = Self.resolve(names)
                mailbox.withLock { $0.merge(answers) { $1 } }
                busy.withLock { $0 = false }
                var one: UInt64 = 1
                _ = write(bell.number, &one, 8)
            }
        } catch {
            busy.withLock { $0 = false }
            throw error
        }
    }

    /// Takes the answers; names without one are not among them.
    func collect() -> [Endpoint: SocketEndpoint] {
        var count: UInt64 = 0
        _ = read(bell.number, &count, 8)
        return mailbox.withLock { box in
            defer { box = [:] }
            return box
        }
    }

    private static func resolve(_ names: [Endpoint]) -> [Endpoint: SocketEndpoint] {
        var answers: [Endpoint: SocketEndpoint] = [:]
        for name in names {
            if let address = address(of: name.host) {
                answers[name] = SocketEndpoint(address, name.port)
            }
        }
        return answers
    }

    /// The first usable address, in the order of RFC 6724 that the C library gives.
    private static func address(of host: String) -> IPAddress? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var entry = list
        while let info = entry?.pointee {
            if let address = address(in: info) { return address }
            entry = info.ai_next
        }
        return nil
    }

    private static func address(in info: addrinfo) -> IPAddress? {
        guard let socket = info.ai_addr else { return nil }
        let bytes = UnsafeRawBufferPointer(start: socket, count: Int(info.ai_addrlen))
        let address: IPAddress?
        // *Source:* ip(7), ipv6(7): the address is 4 bytes into sockaddr_in and 8 into sockaddr_in6.
        switch info.ai_family {
        case AF_INET where bytes.count >= 8: address = IPAddress(bytes: bytes[4..<8])
        case AF_INET6 where bytes.count >= 24: address = IPAddress(bytes: bytes[8..<24])
        default: return nil
        }
        guard let address, !address.isUnspecified, !address.isMulticast else { return nil }
        return address
    }
}
