import Glibc
import LinuxSystem
import MeshModel
import SSHTunnel

/// The link that a knock leaves by, and our address on it.
struct KnockDevice {
    let name: String
    let index: UInt32
    let source: IPAddress

    /// The order's device; else the one on which the neighbour with that hardware address is; else the default route's.
    static func find(
        _ order: ProbeOrder, _ family: IPAddress.Family, hardware: String
    ) throws(SystemError) -> KnockDevice {
        guard let name = order.device ?? neighbourDevice(hardware) ?? defaultDevice() else {
            throw SystemError(
                "find device", hardware, errno: 0,
                detail: "no neighbour has this address, and there is no default route")
        }
        let index = if_nametoindex(name)
        if index == 0 { throw SystemError("find device", name, errno: ENODEV) }
        if let source = order.source {
            return KnockDevice(name: name, index: index, source: source)
        }
        let all = addresses(of: name).filter { $0.family == family }
        // A link-local address can only be answered on the link, which is where a knock goes.
        guard let source = all.first(where: { !$0.isLinkLocal }) ?? all.first else {
            let text = family == .ipv4 ? "IPv4" : "IPv6"
            throw SystemError("find address", name, errno: 0, detail: "it has none of \(text)")
        }
        return KnockDevice(name: name, index: index, source: source)
    }

    /// The address that the kernel would send from.
    static func sourceByRoute(to target: SocketEndpoint) throws(SystemError) -> IPAddress {
        let family = target.address.family == .ipv4 ? AF_INET : AF_INET6
        let socket = Descriptor(
            owning: try check("socket") {
                Glibc.socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
        let number = socket.number
        // Connecting a datagram socket asks for a route and sends nothing.
        try check("find route to", "\(target.address)") {
            SocketName(target).lend { Glibc.connect(number, $0, $1) }
        }
        guard let end = ProbeSocket.localEnd(number) else {
            throw SystemError("find address to", "\(target.address)", errno: EADDRNOTAVAIL)
        }
        return end.address
    }

    /// *Source:* proc(5), /proc/net/arp: IP address, HW type, flags, HW address, mask, device.
    private static func neighbourDevice(_ hardware: String) -> String? {
        rows("/proc/thread-self/net/arp").first {
            $0.count >= 6 && $0[3].lowercased() == hardware.lowercased()
        }?[5]
    }

    /// *Source:* proc(5), /proc/net/route: device, destination, gateway, flags, three counters, mask.
    private static func defaultDevice() -> String? {
        rows("/proc/thread-self/net/route").first {
            $0.count >= 8 && $0[1] == "00000000" && $0[7] == "00000000"
        }?[0]
    }

    private static func rows(_ path: String) -> [[String]] {
        let text = String(decoding: (try? Files.read(path)) ?? [], as: UTF8.self)
        return text.split(separator: "\n").dropFirst().map {
            $0.split { $0 == " " || $0 == "\t" }.map(String.init)
        }
    }

    /// *Source:* getifaddrs(3).
    private static func addresses(of device: String) -> [IPAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard String(cString: entry.pointee.ifa_name) == device,
                let address = entry.pointee.ifa_addr
            else { continue }
            let raw = UnsafeRawPointer(address)
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                let bytes = UnsafeRawBufferPointer(start: raw + 4, count: 4)
                if let address = IPAddress(bytes: Array(bytes)) { found.append(address) }
            case AF_INET6:
                let bytes = UnsafeRawBufferPointer(start: raw + 8, count: 16)
                if let address = IPAddress(bytes: Array(bytes)) { found.append(address) }
            default: break
            }
        }
        return found
    }
}
