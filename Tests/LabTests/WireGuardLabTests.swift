import Glibc
import LinuxSystem
import MeshModel
import Netlink
import Testing
import WireGuard

/// Key bytes that only tests know.
private struct LabSecret: SecretMaterial {
    let bytes: [UInt8]
    var count: Int { bytes.count }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { body($0) }
    }
}

/// What both backends must do alike, judged by `wg`.
private enum Agreement {
    /// One name for each backend: `wg` takes a socket of that name for the device, whatever the namespace.
    static func name(_ backend: any WireGuardBackend) -> String {
        "mp0-\(backend.kind == .kernel ? "k" : "u")\(getpid() % 100_000)"
    }

    static func key(_ number: Int, _ salt: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: salt, count: 32)
        for index in 0..<4 { bytes[index + 1] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
        return bytes
    }

    static func peers(_ count: Int) throws -> [PeerConfiguration] {
        try (0..<count).map { number in
            let high = UInt64(0xfd77_6d70_0000_0000)
            let four = IPPrefix(host: IPAddress(ipv4: 0x0a00_0000 + UInt32(number)))
            let six = IPPrefix(host: IPAddress(family: .ipv6, high: high, low: UInt64(number)))
            let endpoint =
                number % 3 == 0
                ? SocketEndpoint("[2001:db8::7]:\(1 + number)")
                : SocketEndpoint("192.0.2.7:\(1 + number)")
            return PeerConfiguration(
                publicKey: try #require(PublicKey(bytes: key(number, 0x11))),
                presharedKey: number % 2 == 0 ? .set(LabSecret(bytes: key(number, 0x22))) : nil,
                endpoint: number % 5 == 0 ? nil : endpoint, keepalive: UInt16(number % 60),
                allowedIPs: [four, six])
        }
    }

    /// One line of `wg show dump` for each peer, by its key.
    static func told(_ name: String) throws -> [String: [String]] {
        let lines = try run("wg show \(name) dump").split(separator: "\n").dropFirst()
        return Dictionary(
            lines.map { line in
                let fields = line.split(separator: "\t").map(String.init)
                return (fields[0], Array(fields.dropFirst()))
            }, uniquingKeysWith: { first, _ in first })
    }

    static func compare(_ device: ObservedDevice, _ name: String) throws {
        let told = try told(name)
        #expect(told.count == device.peers.count)
        let different = device.peers.filter { peer in
            guard let fields = told["\(peer.publicKey)"], fields.count == 7 else { return true }
            let list = fields[2] == "(none)" ? [] : fields[2].split(separator: ",").map(String.init)
            return (fields[0] != "(none)") != (peer.presharedKey != nil)
                || fields[1] != peer.endpoint?.description ?? "(none)"
                || Set(list) != Set(peer.allowedIPs.map(\.description))
                || fields[6] != (peer.keepalive == 0 ? "off" : "\(peer.keepalive)")
        }
        #expect(different.map(\.publicKey) == [])
        #expect(try run("wg show \(name) listen-port") == "\(device.listenPort)")
        #expect(try run("wg show \(name) public-key") == device.publicKey?.description)
    }

    /// Makes, fills, changes, reads and removes a device of `count` peers.
    static func exercise(_ backend: any WireGuardBackend, count: Int) throws {
        let routes = RouteSocket()
        let name = name(backend)
        try backend.create(name)
        try backend.create(name)
        defer { try? backend.delete(name) }
        let link = try #require(try routes.link(named: name))
        #expect(link.group == Ownership.linkGroup && !link.isUp)
        #expect(try Backends.kind(of: name) == backend.kind)

        let identify: @Sendable (UnsafeRawBufferPointer) -> PresharedKeyID = {
            PresharedKeyID(rawValue: Base64.hex($0))
        }
        let peers = try peers(count)
        try backend.configure(
            name,
            DeviceConfiguration(
                privateKey: LabSecret(bytes: key(7, 0x40)), listenPort: 51_871, fwmark: 9,
                replacePeers: true,
                peers: peers))
        let device = try backend.read(name, identify: identify)
        #expect(device.fwmark == 9)
        try compare(device, name)
        // The secret itself went over unharmed, too.
        let second = try #require(device.peers.first { $0.publicKey == peers[2].publicKey })
        #expect(second.presharedKey == PresharedKeyID(rawValue: Base64.hex(key(2, 0x22))))

        // One peer with more allowed IPs than a message holds, one removed, one without its preshared key.
        let many = (0..<6000).map { IPPrefix(host: IPAddress(ipv4: 0x0b00_0000 + UInt32($0))) }
        try backend.configure(
            name,
            DeviceConfiguration(peers: [
                PeerConfiguration(publicKey: peers[0].publicKey, allowedIPs: many),
                PeerConfiguration(publicKey: peers[1].publicKey, remove: true),
                PeerConfiguration(publicKey: peers[2].publicKey, presharedKey: .remove),
            ]))
        let changed = try backend.read(name, identify: identify)
        try compare(changed, name)
        #expect(changed.peers.count == count - 1)
        #expect(
            changed.peers.first { $0.publicKey == peers[0].publicKey }?.allowedIPs.count
                == many.count)
        #expect(changed.peers.first { $0.publicKey == peers[2].publicKey }?.presharedKey == nil)

        try backend.delete(name)
        try backend.delete(name)
        #expect(try routes.link(named: name) == nil)
        let error = #expect(throws: WireGuardError.self) {
            try backend.read(name, identify: identify)
        }
        #expect(error?.code == .missing)
    }
}

@Suite(
    "The kernel's WireGuard agrees with wg",
    .enabled(if: geteuid() == 0 && KernelBackend.isAvailable()),
    .serialized)
struct KernelWireGuardLabTests {
    /// Under emulation each peer's Curve25519 takes 20 ms, and 1,500 peers fill tens of messages as well as 5,000 do.
    private static let count = LabConditions.isUnderEmulation ? 1_500 : 5_000

    @Test("a device of thousands of peers, made, changed, read and removed")
    func agreement() throws {
        try inOwnNetwork { try Agreement.exercise(KernelBackend(), count: Self.count) }
    }

    @Test("leaves a link alone that is no WireGuard")
    func foreign() throws {
        try inOwnNetwork {
            let name = Agreement.name(KernelBackend())
            try run("ip link add \(name) type veth peer name other")
            let backend = KernelBackend()
            let create = #expect(throws: WireGuardError.self) { try backend.create(name) }
            let delete = #expect(throws: WireGuardError.self) { try backend.delete(name) }
            #expect(create?.code == .nameTaken && delete?.code == .nameTaken)
            #expect(try Backends.kind(of: name) == .foreign(kind: "veth"))
        }
    }
}

@Suite(
    "wireguard-go agrees with wg", .enabled(if: geteuid() == 0 && UserspaceBackend.isAvailable()),
    .serialized)
struct UserspaceWireGuardLabTests {
    @Test("a device of 200 peers, made, changed, read and removed")
    func agreement() throws {
        try inOwnNetwork { try Agreement.exercise(UserspaceBackend(), count: 200) }
        let name = Agreement.name(UserspaceBackend())
        #expect(!Files.exists("/var/run/wireguard/\(name).sock"))
    }

    @Test("does not adopt a tun that no program answers for")
    func foreign() throws {
        try inOwnNetwork {
            let name = Agreement.name(UserspaceBackend())
            try run("ip tuntap add dev \(name) mode tun")
            let backend = UserspaceBackend()
            let create = #expect(throws: WireGuardError.self) { try backend.create(name) }
            let delete = #expect(throws: WireGuardError.self) { try backend.delete(name) }
            #expect(create?.code == .nameTaken && delete?.code == .nameTaken)
            try run("ip link delete \(name)")
        }
    }

    @Test("outlives the session that made it, and keeps none of our descriptors")
    func daemon() throws {
        try inOwnNetwork {
            let pipe = try IO.pipe()
            let (reader, writer) = pipe.split()
            let backend = UserspaceBackend()
            let name = Agreement.name(backend)
            try backend.create(name)
            defer { try? backend.delete(name) }
            // With a copy of the writer in the daemon, the reader would not see the end.
            close(writer)
            #expect(try IO.read(reader).isEmpty)
            close(reader)
            let pids = try run("pgrep -f wireguard-go.\(name)").split(separator: "\n")
            let pid = try #require(pids.first.flatMap { Int32($0) })
            #expect(getsid(pid) != getsid(0))
        }
    }
}
