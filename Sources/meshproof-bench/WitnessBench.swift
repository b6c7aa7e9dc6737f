import CLinux
import Glibc
import LinuxSystem
import MeshModel
import Netlink
import WireWitness

/// A capture as a process of its own, to be measured beside tcpdump, and a flood to measure both with.
enum WitnessBench {
    /// `capture OWN OTHER`: a witness of two machines with these addresses, on all devices of this network namespace; says
    /// `ready`, and when standard input ends, what it saw.
    /// `examine BYTES COUNT`: nanoseconds for looking at one frame of so many bytes in WireGuard's shape, without a capture.
    /// `flood ADDRESS BYTES SECONDS`: datagrams in WireGuard's shape, as fast as they go; says how many.
    static func run(_ arguments: [String]) -> Int32 {
        do {
            switch (arguments.first, arguments.count) {
            case ("capture", 3): return try capture(arguments[1], arguments[2])
            case ("examine", 3):
                guard let size = Int(arguments[1]), (32...65_000).contains(size),
                    let count = Int(arguments[2]), count > 0
                else { return BenchOutput.usage() }
                print(BenchOutput.text(examine(size, count)))
                return 0
            case ("flood", 4):
                guard let target = SocketEndpoint(arguments[1]), let size = Int(arguments[2]),
                    (32...65_000).contains(size), let seconds = Double(arguments[3])
                else { return BenchOutput.usage() }
                print(try flood(target, size, seconds))
                return 0
            default: return BenchOutput.usage()
            }
        } catch {
            try? IO.writeAll(2, Array("meshproof-bench: \(error)\n".utf8))
            return 1
        }
    }

    private static func capture(_ own: String, _ other: String) throws -> Int32 {
        guard let own = IPAddress(own), let other = IPAddress(other) else {
            return BenchOutput.usage()
        }
        let witness = try Witness(order: order(own, other), links: links(), interfaces: [])
        try IO.writeAll(1, Array("ready\n".utf8))
        TunnelLoad.awaitEnd()
        let facts = witness.finish(settle: 0)
        let frames = facts.devices.reduce(0) { $0 + $1.frames }
        let drops = facts.devices.reduce(0) { $0 + $1.drops }
        let truncated = facts.devices.reduce(0) { $0 + $1.truncated }
        BenchOutput.figures(
            [
                ("frames", Double(frames), ""), ("drops", Double(drops), ""),
                ("truncated", Double(truncated), ""),
            ], json: true)
        return 0
    }

    private static func order(_ own: IPAddress, _ other: IPAddress) -> WitnessOrder {
        WitnessOrder(
            nonce: "", meshID: "bench", node: "own",
            hosts: [
                HostFace(node: "own", underlay: [own], overlay: [], hardware: []),
                HostFace(node: "other", underlay: [other], overlay: [], hardware: []),
            ],
            allowed: [
                AllowedFlow(
                    kind: .wireguard, ipProtocol: 17, a: "own", aPort: 51820, b: "other",
                    bPort: 51820)
            ], canaryPrefix: "mpcanary-0123456789abcdef-", controlPrefix: "mpcontrol-",
            controlTargets: [], flows: [], ports: [])
    }

    private static func examine(_ size: Int, _ count: Int) -> Double {
        let (own, other) = (IPAddress(ipv4: 0xc000_0201), IPAddress(ipv4: 0xc000_0202))
        var examiner = Examiner(
            order(own, other),
            devices: [Examiner.Device(name: "eth0", role: .underlay, mtu: 1500)])
        func number(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
        let port = number(51820)
        let frames = [(own, other), (other, own)].map { from, to in
            [UInt8](repeating: 2, count: 12) + [8, 0, 0x45, 0] + number(size + 28)
                + [0, 0, 0, 0, 64, 17, 0, 0] + from.bytes + to.bytes + port + port
                + number(size + 8) + [0, 0] + message(size)
        }
        let (_, milliseconds) = BenchOutput.timed {
            for index in 0..<count {
                frames[index & 1].withUnsafeBytes {
                    examiner.take($0, link: .ethernet, device: 0, length: $0.count)
                }
            }
        }
        return milliseconds * 1e6 / Double(count)
    }

    private static func message(_ size: Int) -> [UInt8] {
        var message: [UInt8] = [4, 0, 0, 0]
        while message.count < size { message.append(.random(in: 0...255)) }
        return message
    }

    private static func links() throws -> [LinkFact] {
        let socket = RouteSocket()
        let addresses = Dictionary(grouping: try socket.addresses(), by: \.index)
        return try socket.links().map { link in
            LinkFact(
                index: link.index, name: link.name, kind: link.kind, group: link.group,
                mtu: link.mtu, isUp: link.isUp, master: link.master, hardware: nil,
                addresses: addresses[link.index, default: []].map(\.prefix))
        }
    }

    private static func flood(_ target: SocketEndpoint, _ size: Int, _ seconds: Double) throws
        -> Int
    {
        let socket = Descriptor(
            owning: try check("socket") { Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) })
        var own = sockaddr_in()
        own.sin_family = sa_family_t(AF_INET)
        own.sin_port = UInt16(51820).bigEndian
        let number = socket.number
        try check("bind") {
            withUnsafeBytes(of: &own) {
                bind(
                    number, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t($0.count))
            }
        }
        let message = message(size)
        let address = target.address.bytes
        let end = Clocks.monotonic() + seconds
        var count = 0
        while Clocks.monotonic() < end {
            for _ in 0..<64 {
                // A full queue is the other side's business: what was not sent is not counted.
                if cl_send_datagram(
                    number, address, Int32(address.count), target.port, message, size)
                    == Int32(size)
                {
                    count += 1
                }
            }
        }
        return count
    }
}
