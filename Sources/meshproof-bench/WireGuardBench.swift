import LinuxSystem
import MeshModel
import WireGuard

/// What `wg setconf` and `wg syncconf` do, through our own codec: timed as whole processes, against wg's.
enum WireGuardBench {
    /// `generate N [CHANGED]`: a configuration of N peers, the same each time; one peer differs where asked.
    /// `set IFACE FILE`: makes the device's settings and peers those of the file.
    /// `sync IFACE FILE`: reads the device, and changes only what differs.
    static func run(_ arguments: [String]) -> Int32 {
        switch (arguments.first, arguments.count) {
        case ("generate", 2...3):
            guard let count = Int(arguments[1]), (1...1_000_000).contains(count) else { break }
            return generate(count, changed: arguments.count == 3)
        case ("set", 3): return apply(arguments[1], arguments[2], syncing: false)
        case ("sync", 3): return apply(arguments[1], arguments[2], syncing: true)
        default: break
        }
        return BenchOutput.usage()
    }

    // MARK: Generating

    private static func generate(_ count: Int, changed: Bool) -> Int32 {
        func key(_ number: Int, _ salt: UInt8) -> String {
            var bytes = [UInt8](repeating: salt, count: 32)
            for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
            // Clamped, as wg does with a private key.
            bytes[0] &= 248
            bytes[31] = bytes[31] & 127 | 64
            for index in 0..<8 {
                bytes[8 + index] = UInt8(truncatingIfNeeded: number >> (8 * index))
            }
            return Base64.encode(bytes)
        }
        var text = "[Interface]\nPrivateKey = \(key(1, 0x41))\nListenPort = 51820\n"
        for number in 0..<count {
            let host = "\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
            let keepalive = changed && number == count / 2 ? 17 : 25
            text += """

                [Peer]
                PublicKey = \(key(number, 0x52))
                PresharedKey = \(key(number, 0x63))
                AllowedIPs = 10.\(host)/32, fd77:6d70::\(String(number + 1, radix: 16))/128
                Endpoint = 192.0.2.1:\(1024 + number % 60_000)
                PersistentKeepalive = \(keepalive)

                """
        }
        do throws(SystemError) { try IO.writeAll(1, Array(text.utf8)) } catch { return 1 }
        return 0
    }

    /// A name for a preshared key that this one process needs, and only to tell keys apart: a keyed 64-bit hash in a text that
    /// is short enough to need no memory of its own.
    private static func token(_ key: UnsafeRawBufferPointer) -> PresharedKeyID {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        let hash = UInt64(bitPattern: Int64(hasher.finalize()))
        return PresharedKeyID(
            rawValue: String(unsafeUninitializedCapacity: 11) { text in
                for index in 0..<11 {
                    text[index] = 48 + UInt8(truncatingIfNeeded: hash >> (6 * UInt64(index)) & 63)
                }
                return 11
            })
    }

    // MARK: Applying

    private static func apply(_ name: String, _ path: String, syncing: Bool) -> Int32 {
        do {
            let wanted = try BenchConfiguration.read(path)
            let backend = KernelBackend()
            if syncing {
                let device = try backend.read(name, identify: { token($0) })
                try backend.configure(name, difference(wanted, device))
            } else {
                try backend.configure(name, wanted)
            }
            return 0
        } catch {
            try? IO.writeAll(2, Array("meshproof-bench: \(error)\n".utf8))
            return 1
        }
    }

    /// What turns `device` into `wanted`: peers that differ, peers that go.
    private static func difference(_ wanted: DeviceConfiguration, _ device: ObservedDevice)
        -> DeviceConfiguration
    {
        var change = DeviceConfiguration(privateKey: wanted.privateKey)
        if wanted.listenPort != device.listenPort { change.listenPort = wanted.listenPort }
        var positions = [PublicKey: Int](minimumCapacity: device.peers.count)
        for (index, peer) in device.peers.enumerated() { positions[peer.publicKey] = index }
        var kept = [Bool](repeating: false, count: device.peers.count)
        for peer in wanted.peers {
            guard let index = positions[peer.publicKey] else {
                change.peers.append(peer)
                continue
            }
            kept[index] = true
            if let update = difference(peer, device.peers[index]) { change.peers.append(update) }
        }
        for (index, isKept) in kept.enumerated() where !isKept {
            change.peers.append(
                PeerConfiguration(publicKey: device.peers[index].publicKey, remove: true))
        }
        return change
    }

    private static func difference(_ wanted: PeerConfiguration, _ peer: ObservedPeer)
        -> PeerConfiguration?
    {
        var update = PeerConfiguration(publicKey: wanted.publicKey, updateOnly: true)
        var differs = false
        if case .set(let key) = wanted.presharedKey {
            var id: PresharedKeyID?
            key.withBytes { id = token($0) }
            if id != peer.presharedKey {
                update.presharedKey = wanted.presharedKey
                differs = true
            }
        } else if peer.presharedKey != nil {
            update.presharedKey = .remove
            differs = true
        }
        if wanted.endpoint != peer.endpoint {
            update.endpoint = wanted.endpoint
            differs = true
        }
        if wanted.keepalive != peer.keepalive {
            update.keepalive = wanted.keepalive
            differs = true
        }
        if let list = wanted.allowedIPs, list != peer.allowedIPs, Set(list) != Set(peer.allowedIPs)
        {
            update.allowedIPs = list
            differs = true
        }
        return differs ? update : nil
    }
}
