import Glibc
import LinuxSystem
package import MeshModel

extension RealKernel {
    package func nudge(_ addresses: [IPAddress], by interface: String?) {
        Nudge.send(to: addresses, by: interface)
    }

    /// wireguard-go processes, of this mount namespace, that were started for an interface of the mesh.
    package func holders(mesh: String) -> [String] {
        let here = Self.namespaces(of: "self")
        return ((try? Files.list("/proc")) ?? []).compactMap { name in
            guard Int32(name) != nil,
                let line = try? Files.read("/proc/\(name)/cmdline", limit: 4_096)
            else { return nil }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.first?.hasSuffix("wireguard-go") == true,
                let interface = words.last, Ownership.generation(of: interface, mesh: mesh) != nil,
                Self.namespaces(of: name) == here
            else { return nil }
            return "process \(name) (\(words.joined(separator: " ")))"
        }
    }

    /// Meshes of one name on hosts that share a kernel are told apart by network and mount namespace.
    private static func namespaces(of process: String) -> [String] {
        ["net", "mnt"].map { kind in
            var buffer = [CChar](repeating: 0, count: 64)
            let count = readlink("/proc/\(process)/ns/\(kind)", &buffer, 63)
            return String(
                decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}

/// A datagram for WireGuard to do a handshake over. *Shape:* one zero byte to the discard port (RFC 863).
enum Nudge {
    private static let port = Ownership.nudgePort

    /// Sends to each address and does not wait; what cannot be sent now is left out.
    ///
    /// - Parameter interface: what the datagrams leave by, whatever routes say. *Source:* socket(7), SO_BINDTODEVICE.
    static func send(to addresses: [IPAddress], by interface: String?) {
        for family in [IPAddress.Family.ipv4, .ipv6] {
            let targets = addresses.filter { $0.family == family }
            if targets.isEmpty { continue }
            let number = socket(
                family == .ipv4 ? AF_INET : AF_INET6,
                Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard number >= 0 else { continue }
            let sender = Descriptor(owning: number)
            if let interface, !bind(sender.number, to: interface) { continue }
            for target in targets { send(target, from: sender.number) }
        }
    }

    private static func bind(_ number: Int32, to interface: String) -> Bool {
        let name = Array(interface.utf8) + [0]
        return setsockopt(
            number, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count)) == 0
    }

    private static func send(_ address: IPAddress, from number: Int32) {
        let byte: UInt8 = 0
        // *Source:* ip(7), ipv6(7): family, port, then the address at 4 or at 8; the rest is zero.
        var place = [UInt8](repeating: 0, count: address.family == .ipv4 ? 16 : 28)
        let family = UInt16(address.family == .ipv4 ? AF_INET : AF_INET6)
        withUnsafeBytes(of: family) { place.replaceSubrange(0..<2, with: $0) }
        place[2] = UInt8(port >> 8)
        place[3] = UInt8(port & 255)
        let start = address.family == .ipv4 ? 4 : 8
        place.replaceSubrange(start..<start + address.bytes.count, with: address.bytes)
        place.withUnsafeBytes { raw in
            guard let target = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
                return
            }
            withUnsafePointer(to: byte) {
                _ = sendto(number, $0, 1, Int32(MSG_NOSIGNAL), target, socklen_t(raw.count))
            }
        }
    }
}
