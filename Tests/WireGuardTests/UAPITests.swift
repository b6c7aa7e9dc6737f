import MeshModel
import TestSupport
import Testing
import WireGuard

@Suite("The userspace protocol")
struct UAPITests {
    private func read(_ text: String) throws -> (device: ObservedDevice, errno: Int32) {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBytes { raw in
            try UAPIReader.read(raw, identify: { identify($0) }, derive: { PublicKey(loading: $0) })
        }
    }

    @Test("writes a configuration as exactly this text")
    func golden() throws {
        let key = try #require(PublicKey(bytes: [UInt8](repeating: 0xaf, count: 32)))
        let gone = try #require(PublicKey(bytes: [UInt8](repeating: 0x09, count: 32)))
        let peer = PeerConfiguration(
            publicKey: key, updateOnly: true,
            presharedKey: .set(TestSecret(bytes: [UInt8](repeating: 0xb0, count: 32))),
            endpoint: SocketEndpoint("[2001:db8::1]:51820"), keepalive: 25,
            allowedIPs: [
                try #require(IPPrefix("10.0.0.2/32")), try #require(IPPrefix("fd77::/64")),
            ])
        let configuration = DeviceConfiguration(
            privateKey: TestSecret(bytes: [UInt8](repeating: 0xc1, count: 32)), listenPort: 51820,
            fwmark: 7,
            replacePeers: true, peers: [peer, PeerConfiguration(publicKey: gone, remove: true)])
        let text = try UAPIWriter.write(configuration, name: "wg0")
        let written = String(decoding: text.bytes, as: UTF8.self)
        #expect(
            written == """
                set=1
                private_key=\(String(repeating: "c1", count: 32))
                listen_port=51820
                fwmark=7
                replace_peers=true
                public_key=\(String(repeating: "af", count: 32))
                update_only=true
                preshared_key=\(String(repeating: "b0", count: 32))
                endpoint=[2001:db8::1]:51820
                persistent_keepalive_interval=25
                replace_allowed_ips=true
                allowed_ip=10.0.0.2/32
                allowed_ip=fd77::/64
                public_key=\(String(repeating: "09", count: 32))
                remove=true


                """)
    }

    @Test("reads what a program says of random devices", arguments: 1...20)
    func roundTrip(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        let (_, expected) = Sample.device(&random)
        let (device, code) = try read(Self.reply(expected))
        #expect(device == expected)
        #expect(code == 0)
    }

    /// A reply to `get=1`; the "private key" is the public one, which the test's derivation gives back.
    private static func reply(_ device: ObservedDevice) -> String {
        var text = ""
        if let key = device.publicKey { text += "private_key=\(Base64.hex(key.bytes))\n" }
        text += "listen_port=\(device.listenPort)\nfwmark=\(device.fwmark)\n"
        for peer in device.peers {
            text += "public_key=\(Base64.hex(peer.publicKey.bytes).uppercased())\n"
            text +=
                "preshared_key=\(peer.presharedKey?.rawValue ?? String(repeating: "0", count: 64))\n"
            text += "protocol_version=1\n"
            if let endpoint = peer.endpoint { text += "endpoint=\(endpoint)\n" }
            text +=
                "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
            text += "persistent_keepalive_interval=\(peer.keepalive)\n"
            for prefix in peer.allowedIPs { text += "allowed_ip=\(prefix)\n" }
        }
        return text + "errno=0\n\n"
    }

    @Test("takes an errno of either sign, and the zone of a link-local endpoint")
    func details() throws {
        #expect(try read("errno=-22\n\n").errno == 22)
        #expect(try read("errno=22\n\n").errno == 22)
        let key = String(repeating: "01", count: 32)
        let peers = try read(
            "public_key=\(key)\nendpoint=[fe80::1%eth0]:7\nlast_handshake_time_sec=3\nlast_handshake_time_nsec=500000000\nerrno=0\n\n"
        ).device.peers
        #expect(peers.first?.endpoint == SocketEndpoint("[fe80::1]:7"))
        #expect(peers.first?.lastHandshake == 3.5)
    }

    @Test(
        "refuses what is no reply",
        arguments: [
            "", "\n", "errno=0\n", "errno=0", "listen_port=1\n\n", "errno=x\n\n",
            "errno=-2147483648\n\n",
            "errno=0\n\nmore\n", "errno=0\nfwmark=1\n\n", "nonsense\nerrno=0\n\n",
            "listen_port=65536\nerrno=0\n\n",
            "listen_port=-1\nerrno=0\n\n", "listen_port=+1\nerrno=0\n\n",
            "private_key=00\nerrno=0\n\n",
            "public_key=zz\nerrno=0\n\n", "endpoint=1.2.3.4:5\nerrno=0\n\n",
            "allowed_ip=1.2.3.4/33\nerrno=0\n\n",
        ])
    func refused(_ text: String) {
        #expect(throws: UAPIReader.Failure.self) { try read(text) }
    }

    @Test("refuses each character that is no hexadecimal digit, and takes each that is")
    func digits() throws {
        for character in UInt8(1)...255 where character != 10 {
            let isDigit =
                (48...57).contains(character) || (65...70).contains(character)
                || (97...102).contains(character)
            let key = [character] + [UInt8](repeating: UInt8(ascii: "1"), count: 63)
            let bytes = Array("public_key=".utf8) + key + Array("\nerrno=0\n\n".utf8)
            let device = bytes.withUnsafeBytes { raw in
                try? UAPIReader.read(raw, identify: { identify($0) }, derive: { _ in nil }).device
            }
            #expect((device != nil) == isDigit)
            let upper = UInt8(String(UnicodeScalar(character)), radix: 16)
            if isDigit {
                #expect(device?.peers.first?.publicKey.bytes.first == upper.map { $0 << 4 | 1 })
            }
        }
    }

    @Test("mutated replies neither crash the reader nor keep it busy")
    func fuzz() {
        var random = SplitMix(77)
        let seeds = (0..<6).map { _ in
            var device = Sample.device(&random).1
            // Short replies: a mutation then meets every kind of line.
            device.peers = Array(device.peers.prefix(2)).map { peer in
                var peer = peer
                peer.allowedIPs = Array(peer.allowedIPs.prefix(2))
                return peer
            }
            return Array(Self.reply(device).utf8)
        }
        var refused = 0
        var read = 0
        for _ in 0..<fuzzRounds(4000) {
            guard var bytes = seeds.randomElement(using: &random) else { break }
            Self.mutate(&bytes, &random)
            let isRead = bytes.withUnsafeBytes { raw in
                (try? UAPIReader.read(
                    raw, identify: { identify($0) }, derive: { PublicKey(loading: $0) })) != nil
            }
            if isRead { read += 1 } else { refused += 1 }
        }
        #expect(refused > 0 && read > 0)
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1:
                bytes[place] =
                    [10, 61, 48, 57, 45, 58, 91, 93, 37, 0, 255].randomElement(using: &random) ?? 0
            case 2: bytes.insert(UInt8.random(in: 48...57, using: &random), at: place)
            case 3: bytes.removeSubrange(place..<min(place + 3, bytes.count))
            default:
                bytes.insert(contentsOf: bytes[place..<min(place + 20, bytes.count)], at: place)
            }
        }
    }
}
