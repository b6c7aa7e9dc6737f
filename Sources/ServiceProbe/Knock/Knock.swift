import CLinux
import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// A SYN by hand, and what comes back. The connection is never made: what answers is reset at once, by hand too,
/// because our kernel may have no route to do so.
///
/// *Privilege:* CAP_NET_RAW.
enum Knock {
    /// Puts ``ProbeOrder/Question/knock``: past all routes where the order names a hardware address.
    static func put(_ attempt: Attempt) throws(ProbeEnd) -> ProbeEnd {
        guard case .tcp(let target) = attempt.order.target else {
            throw ProbeEnd(.failed, "there is no way to knock at a unix socket")
        }
        do throws(SystemError) {
            if let text = attempt.order.hardwareAddress {
                return try past(attempt, target, hardware: text)
            }
            return try byRoute(attempt, target)
        } catch {
            let outcome: ProbeFact.Outcome =
                [ENETUNREACH, EHOSTUNREACH, ENETDOWN].contains(error.errno)
                ? .unreachable : .failed
            throw ProbeEnd(outcome, "\(error)")
        }
    }

    /// Straight to a hardware address.
    private static func past(
        _ attempt: Attempt, _ target: SocketEndpoint, hardware text: String
    ) throws(SystemError) -> ProbeEnd {
        guard let hardware = HardwareAddress.bytes(text) else {
            throw SystemError(
                "knock", text, errno: 0, detail: "is no hardware address of 6 bytes")
        }
        let device = try KnockDevice.find(attempt.order, target.address.family, hardware: text)
        let knock = packet(attempt, from: device.source, to: target)
        // *Source:* linux/if_ether.h: ETH_P_IP, ETH_P_IPV6.
        let kind: UInt16 = target.address.family == .ipv4 ? 0x0800 : 0x86dd
        // It listens on every device: the answer takes the routes that there are.
        let socket = Descriptor(
            owning: try check("open packet socket") { cl_knock_socket(kind, knock.source.port) })
        let number = socket.number
        return try knockAndListen(attempt, number) { (what) throws(SystemError) in
            let bytes = knock.packet(what)
            try check("send by", device.name) {
                cl_knock_send(number, device.index, kind, hardware, bytes, bytes.count)
            }
        } read: {
            knock.answer(inPacket: $0)
        }
    }

    /// By the routes that there are, through a raw socket of TCP, which sees every segment that comes.
    private static func byRoute(
        _ attempt: Attempt, _ target: SocketEndpoint
    ) throws(SystemError) -> ProbeEnd {
        let isIPv4 = target.address.family == .ipv4
        let source = try KnockDevice.sourceByRoute(to: target)
        let knock = packet(attempt, from: attempt.order.source ?? source, to: target)
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Descriptor(
            owning: try check("open raw socket") {
                Glibc.socket(
                    isIPv4 ? AF_INET : AF_INET6, kind | Int32(SOCK_NONBLOCK.rawValue),
                    Int32(IPPROTO_TCP))
            })
        let number = socket.number
        // A raw socket has no ports, and IPv6 wants none named.
        let name = SocketName(SocketEndpoint(target.address, 0))
        return try knockAndListen(attempt, number) { (what) throws(SystemError) in
            let segment = knock.segment(what)
            try check("send to", "\(target.address)") {
                name.lend { place, size in
                    Int32(sendto(number, segment, segment.count, 0, place, size))
                }
            }
        } read: { bytes in
            // IPv4's raw sockets give the IP header too, IPv6's do not.
            isIPv4 ? knock.answer(inPacket: bytes) : knock.answer(inSegment: bytes)
        }
    }

    private static func packet(
        _ attempt: Attempt, from source: IPAddress, to target: SocketEndpoint
    ) -> KnockPacket {
        let port = UInt16.random(in: 32_768...60_999)
        attempt.localEnd = SocketEndpoint(source, port)
        return KnockPacket(
            source: SocketEndpoint(source, port), destination: target,
            sequence: UInt32.random(in: 1...UInt32.max))
    }

    /// Three times, each with a third of the time: the first one may be lost to a neighbour that is not known yet.
    private static func knockAndListen(
        _ attempt: Attempt, _ number: Int32, send: (KnockPacket.Kind) throws(SystemError) -> Void,
        read: ([UInt8]) -> KnockPacket.Answer?
    ) throws(SystemError) -> ProbeEnd {
        let began = Clocks.monotonic()
        for turn in 1...3 {
            try send(.syn)
            let until = began + (attempt.deadline - began) * Double(turn) / 3
            while try IO.wait(
                number, milliseconds: ProbeSocket.milliseconds(until: until))
            {
                switch read(receive(number)) {
                case .open:
                    try send(.reset)
                    return ProbeEnd(.answered, "it answers a SYN with SYN and ACK")
                case .closed: return ProbeEnd(.closed, "it answers a SYN with RST")
                case nil: break
                }
                if Clocks.monotonic() >= until { break }
            }
        }
        return ProbeEnd(.silent, "no answer to three SYNs")
    }

    private static func receive(_ number: Int32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2_048) { buffer, count in
            count = max(recv(number, buffer.baseAddress, buffer.count, 0), 0)
        }
    }
}

/// Hardware addresses in text.
enum HardwareAddress {
    /// The six bytes of `02:00:00:00:00:01`, or nil.
    static func bytes(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ $0.utf8.count == 2 }) else { return nil }
        return Base64.unhex(parts.joined().lowercased())
    }
}
