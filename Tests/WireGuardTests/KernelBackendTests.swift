import LinuxSystem
import MeshModel
import Netlink
import Synchronization
import TestSupport
import Testing
import WireGuard

@Suite("The kernel backend")
struct KernelBackendTests {
    @Test("configures a peer with exactly these bytes")
    func goldenConfigure() throws {
        let kernel = MemoryWireGuard()
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 0xaa, count: 32)))
        let peer = PeerConfiguration(
            publicKey: key,
            presharedKey: .set(TestSecret(bytes: [UInt8](repeating: 0xbb, count: 32))),
            endpoint: SocketEndpoint("192.0.2.1:51820"), keepalive: 25,
            allowedIPs: [try #require(IPPrefix("10.0.0.2/32"))])
        let secret = TestSecret(bytes: [UInt8](repeating: 0xcc, count: 32))
        try kernel.backend().configure(
            "wg0",
            DeviceConfiguration(
                privateKey: secret, listenPort: 51820, fwmark: 1, replacePeers: true, peers: [peer])
        )
        let golden =
            field([0xec, 0, 0, 0, 30, 0], "length 236, the family's number")
            + field([5, 0], "NLM_F_REQUEST | NLM_F_ACK")
            + field([2, 0, 0, 0, 0, 0, 0, 0], "sequence 2 (1 asked for the number), port 0")
            + field([1, 1, 0, 0], "WG_CMD_SET_DEVICE, version 1")
            + field([8, 0, 2, 0] + Array("wg0\0".utf8), "WGDEVICE_A_IFNAME")
            + field([8, 0, 5, 0, 1, 0, 0, 0], "WGDEVICE_A_FLAGS: REPLACE_PEERS")
            + field(
                [0x24, 0, 3, 0] + [UInt8](repeating: 0xcc, count: 32), "WGDEVICE_A_PRIVATE_KEY")
            + field([6, 0, 6, 0, 0x6c, 0xca, 0, 0], "WGDEVICE_A_LISTEN_PORT 51820, host order")
            + field([8, 0, 7, 0, 1, 0, 0, 0], "WGDEVICE_A_FWMARK")
            + field([0x94, 0, 8, 0x80], "WGDEVICE_A_PEERS, 148 bytes, nested")
            + field([0x90, 0, 0, 0x80], "a peer, 144 bytes, nested")
            + field([0x24, 0, 1, 0] + [UInt8](repeating: 0xaa, count: 32), "WGPEER_A_PUBLIC_KEY")
            + field([8, 0, 3, 0, 2, 0, 0, 0], "WGPEER_A_FLAGS: REPLACE_ALLOWEDIPS")
            + field(
                [0x24, 0, 2, 0] + [UInt8](repeating: 0xbb, count: 32), "WGPEER_A_PRESHARED_KEY")
            + field(
                [0x14, 0, 4, 0, 2, 0, 0xca, 0x6c, 192, 0, 2, 1],
                "WGPEER_A_ENDPOINT: AF_INET, port, address")
            + field([UInt8](repeating: 0, count: 8), "sin_zero")
            + field([6, 0, 5, 0, 25, 0, 0, 0], "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL")
            + field([0x20, 0, 9, 0x80, 0x1c, 0, 0, 0x80], "WGPEER_A_ALLOWEDIPS { an entry")
            + field([6, 0, 1, 0, 2, 0, 0, 0], "WGALLOWEDIP_A_FAMILY: AF_INET")
            + field([8, 0, 2, 0, 10, 0, 0, 2], "WGALLOWEDIP_A_IPADDR")
            + field([5, 0, 3, 0, 32, 0, 0, 0], "WGALLOWEDIP_A_CIDR_MASK }")
        #expect(hex(kernel.state.withLock { $0.requests.last ?? [] }) == hex(golden))
    }

    @Test("reads a device from exactly these bytes, and keeps no key")
    func goldenRead() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 0xaa, count: 32)))
        let own = try #require(PublicKey(bytes: [UInt8](repeating: 0xdd, count: 32)))
        let body =
            field([0, 1, 0, 0], "WG_CMD_GET_DEVICE, version 1")
            + field([6, 0, 6, 0, 0x6c, 0xca, 0, 0], "WGDEVICE_A_LISTEN_PORT 51820")
            + field([8, 0, 7, 0, 9, 0, 0, 0], "WGDEVICE_A_FWMARK 9")
            + field([8, 0, 1, 0, 5, 0, 0, 0], "WGDEVICE_A_IFINDEX 5")
            + field([8, 0, 2, 0] + Array("wg0\0".utf8), "WGDEVICE_A_IFNAME")
            + field(
                [0x24, 0, 3, 0] + [UInt8](repeating: 0xcc, count: 32), "WGDEVICE_A_PRIVATE_KEY")
            + field([0x24, 0, 4, 0] + [UInt8](repeating: 0xdd, count: 32), "WGDEVICE_A_PUBLIC_KEY")
            + field([0xcc, 0, 8, 0x80], "WGDEVICE_A_PEERS, 204 bytes")
            + field([0xc8, 0, 0, 0x80], "a peer, 200 bytes")
            + field([0x24, 0, 1, 0] + [UInt8](repeating: 0xaa, count: 32), "WGPEER_A_PUBLIC_KEY")
            + field(
                [0x24, 0, 2, 0] + [UInt8](repeating: 0xbb, count: 32), "WGPEER_A_PRESHARED_KEY")
            + field([0x14, 0, 6, 0, 10, 0, 0, 0, 0, 0, 0, 0], "WGPEER_A_LAST_HANDSHAKE_TIME: 10 s")
            + field([0, 0x65, 0xcd, 0x1d, 0, 0, 0, 0], "500,000,000 ns")
            + field([6, 0, 5, 0, 25, 0, 0, 0], "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL")
            + field([12, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0], "WGPEER_A_TX_BYTES 2")
            + field([12, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0], "WGPEER_A_RX_BYTES 1")
            + field([8, 0, 10, 0, 1, 0, 0, 0], "WGPEER_A_PROTOCOL_VERSION, of no interest")
            + field(
                [0x20, 0, 4, 0, 10, 0, 0xca, 0x6c, 0, 0, 0, 0],
                "WGPEER_A_ENDPOINT: AF_INET6, port, flow")
            + field([0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1], "2001:db8::1")
            + field([0, 0, 0, 0], "scope")
            + field([0x20, 0, 9, 0x80, 0x1c, 0, 0, 0x80], "WGPEER_A_ALLOWEDIPS { an entry")
            + field([5, 0, 3, 0, 24, 0, 0, 0], "WGALLOWEDIP_A_CIDR_MASK")
            + field([6, 0, 1, 0, 2, 0, 0, 0], "WGALLOWEDIP_A_FAMILY")
            + field([8, 0, 2, 0, 10, 7, 0, 0], "WGALLOWEDIP_A_IPADDR }")
        let backend = Self.kernel { request in
            let reply = message(30, flags: NetlinkFlags.multi, sequence: request) { writer in
                for byte in body { writer.append(byte) }
            }
            return [reply, done(sequence: request)]
        }
        let peer = ObservedPeer(
            publicKey: key,
            presharedKey: PresharedKeyID(rawValue: String(repeating: "bb", count: 32)),
            endpoint: SocketEndpoint("[2001:db8::1]:51820"), keepalive: 25,
            allowedIPs: [try #require(IPPrefix("10.7.0.0/24"))], lastHandshake: 10.5, rxBytes: 1,
            txBytes: 2)
        #expect(
            try backend.read("wg0", identify: { identify($0) })
                == ObservedDevice(publicKey: own, listenPort: 51820, fwmark: 9, peers: [peer]))
    }

    /// A kernel that answers a dump of the device with these datagrams, by the request's sequence number.
    static func kernel(_ dump: @escaping @Sendable (UInt32) -> [[UInt8]]) -> KernelBackend {
        let connection = NetlinkConnection { () throws(SystemError) -> any NetlinkTransport in
            FunctionTransport(port: testPort) { request in
                let sequence = request.uint32(8)
                if request.uint16(4) != 16 { return dump(sequence).map { .success($0) } }
                let number = message(16, sequence: sequence) { writer in
                    writer.append(UInt32(1))
                    writer.put(1, UInt16(30))
                }
                return [.success(number), .success(acknowledgement(sequence: sequence))]
            }
        }
        return KernelBackend(
            routes: RouteSocket(connection: connection),
            generic: GenericSocket(family: "wireguard", connection: connection))
    }

    @Test(
        "packs, splits and merges so that every device comes back as it was given",
        arguments: 1...24)
    func roundTrip(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        // From a message that just holds one peer to one that holds hundreds.
        let kernel = MemoryWireGuard(messageLimit: Int.random(in: 300...20_000, using: &random))
        kernel.state.withLock { state in
            state.peersPerMessage = Int.random(in: 1...9, using: &random)
            state.addressesPerMessage = Int.random(in: 1...50, using: &random)
            state.interruptions = Int.random(in: 0...2, using: &random)
        }
        let (configuration, expected) = Sample.device(&random)
        let backend = kernel.backend()
        try backend.configure("wg0", configuration)
        #expect(try backend.read("wg0", identify: { identify($0) }) == expected)
        // Again, it is the same.
        try backend.configure("wg0", configuration)
        #expect(try backend.read("wg0", identify: { identify($0) }) == expected)
    }

    @Test(
        "packs messages full, and none beyond the limit", arguments: [2048, 8192, 32_768, 65_535])
    func packing(_ limit: Int) throws {
        var random = SplitMix(7)
        let kernel = MemoryWireGuard(messageLimit: limit)
        let peers = (0..<2000).map { _ in Sample.peer(&random, addresses: 2).configuration }
        try kernel.backend().configure("wg0", DeviceConfiguration(replacePeers: true, peers: peers))
        let sizes = kernel.state.withLock { $0.requests.dropFirst().map(\.count) }
        #expect(sizes.allSatisfy { $0 <= limit })
        // No peer of these takes more than 300 bytes, so that no full message is emptier than that.
        #expect(sizes.dropLast().allSatisfy { $0 > limit - 300 })
        #expect(kernel.state.withLock { $0.peers.count } == 2000)
    }

    @Test("does not bring back a peer that was removed between two parts of its allowed IPs")
    func noResurrection() throws {
        var random = SplitMix(8)
        let kernel = MemoryWireGuard(messageLimit: 1024)
        let peer = Sample.peer(&random, addresses: 500).configuration
        kernel.state.withLock { state in
            state.meddle = { state in
                if state.requests.count == 3 {
                    state.peers = [:]
                    state.order = []
                }
            }
        }
        try kernel.backend().configure("wg0", DeviceConfiguration(peers: [peer]))
        #expect(kernel.state.withLock { $0.peers.isEmpty })
        #expect(kernel.state.withLock { $0.requests.count } > 5)
    }

    @Test("changes, adds to and removes peers without touching the others")
    func changes() throws {
        var random = SplitMix(9)
        let kernel = MemoryWireGuard()
        let backend = kernel.backend()
        let (first, second) = (
            Sample.peer(&random, addresses: 1), Sample.peer(&random, addresses: 2)
        )
        try backend.configure(
            "wg0", DeviceConfiguration(peers: [first.configuration, second.configuration]))
        let extra = try #require(IPPrefix("203.0.113.0/24"))
        try backend.configure(
            "wg0",
            DeviceConfiguration(peers: [
                PeerConfiguration(
                    publicKey: first.observed.publicKey, presharedKey: .remove, allowedIPs: [extra],
                    replaceAllowedIPs: false)
            ]))
        var expected = first.observed
        expected.presharedKey = nil
        expected.allowedIPs.append(extra)
        #expect(
            try backend.read("wg0", identify: { identify($0) }).peers == [
                expected, second.observed,
            ])
        let gone = PeerConfiguration(publicKey: first.observed.publicKey, remove: true)
        let absent = PeerConfiguration(
            publicKey: first.observed.publicKey, updateOnly: true, keepalive: 1)
        try backend.configure("wg0", DeviceConfiguration(peers: [gone, gone, absent]))
        #expect(try backend.read("wg0", identify: { identify($0) }).peers == [second.observed])
    }

    @Test("finds the family's number again where the module was loaded anew")
    func reloadedModule() throws {
        let kernel = MemoryWireGuard()
        let backend = kernel.backend()
        _ = try backend.read("wg0", identify: { identify($0) })
        kernel.state.withLock { $0.familyNumber = 31 }
        _ = try backend.read("wg0", identify: { identify($0) })
        kernel.state.withLock { $0.familyNumber = 32 }
        try backend.configure("wg0", DeviceConfiguration(listenPort: 7))
        #expect(kernel.state.withLock { $0.listenPort } == 7)
    }

    @Test("refuses keys of the wrong size before anything is sent")
    func badKey() {
        let kernel = MemoryWireGuard()
        let error = #expect(throws: WireGuardError.self) {
            try kernel.backend().configure(
                "wg0", DeviceConfiguration(privateKey: TestSecret(bytes: [1, 2, 3])))
        }
        #expect(error?.code == .badConfiguration)
        #expect(kernel.state.withLock { $0.privateKey } == nil)
    }

    @Test(
        "refuses names that no interface can have",
        arguments: ["", "a/b", "1234567890123456", "a b", "..", "a%d"])
    func badNames(_ name: String) {
        let error = #expect(throws: WireGuardError.self) {
            try MemoryWireGuard().backend().create(name)
        }
        #expect(error?.code == .badName)
    }
}

/// Random devices, as they are told and as they are read.
enum Sample {
    static func peer(
        _ random: inout SplitMix, addresses: Int
    ) -> (configuration: PeerConfiguration, observed: ObservedPeer) {
        let key = PublicKey(bytes: random.bytes(32)) ?? .zero
        let secret = TestSecret(bytes: random.bytes(32))
        let hasKey = Bool.random(using: &random)
        let endpoint: SocketEndpoint? =
            Bool.random(using: &random)
            ? SocketEndpoint(address(&random), UInt16.random(in: 1...9999, using: &random)) : nil
        let keepalive = UInt16.random(in: 0...60, using: &random)
        let list = (0..<addresses).map { _ in
            let address = address(&random)
            return IPPrefix(
                address, length: Int.random(in: 0...address.family.bits, using: &random))
                ?? IPPrefix(host: address)
        }
        let configuration = PeerConfiguration(
            publicKey: key, presharedKey: hasKey ? .set(secret) : nil, endpoint: endpoint,
            keepalive: keepalive,
            allowedIPs: list)
        let observed = ObservedPeer(
            publicKey: key, presharedKey: hasKey ? identity(secret) : nil, endpoint: endpoint,
            keepalive: keepalive, allowedIPs: list, lastHandshake: 0, rxBytes: 0, txBytes: 0)
        return (configuration, observed)
    }

    static func address(_ random: inout SplitMix) -> IPAddress {
        IPAddress(
            family: Bool.random(using: &random) ? .ipv4 : .ipv6, high: random.next(),
            low: random.next())
    }

    static func device(_ random: inout SplitMix) -> (DeviceConfiguration, ObservedDevice) {
        let key = random.bytes(32)
        let peers = (0..<Int.random(in: 0...60, using: &random)).map { _ in
            peer(
                &random,
                addresses: Int.random(in: 0..<4, using: &random) == 0
                    ? Int.random(in: 0...300, using: &random)
                    : Int.random(in: 0...3, using: &random))
        }
        let port = UInt16.random(in: 1...9999, using: &random)
        return (
            DeviceConfiguration(
                privateKey: TestSecret(bytes: key), listenPort: port, fwmark: 7, replacePeers: true,
                peers: peers.map(\.configuration)),
            ObservedDevice(
                publicKey: PublicKey(bytes: key), listenPort: port, fwmark: 7,
                peers: peers.map(\.observed))
        )
    }
}
