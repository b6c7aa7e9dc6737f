import Glibc
import MeshModel
import WireGuard

/// Reads a configuration file of `wg`, as far as `generate` writes it.
enum BenchConfiguration {
    /// What the file is not.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The bytes of all keys of a file, in one place that is wiped when the last user goes.
    final class Keys: @unchecked Sendable {
        // Filled while the file is read, and only read after.
        fileprivate let memory: UnsafeMutableRawBufferPointer
        fileprivate var count = 0

        init(capacity: Int) {
            memory = .allocate(byteCount: capacity * 32, alignment: 16)
        }

        deinit {
            explicit_bzero(memory.baseAddress!, memory.count)
            memory.deallocate()
        }

        fileprivate func next() -> UnsafeMutableRawBufferPointer? {
            guard (count + 1) * 32 <= memory.count else { return nil }
            count += 1
            return UnsafeMutableRawBufferPointer(
                rebasing: memory[((count - 1) * 32)..<(count * 32)])
        }
    }

    /// One key of the file.
    struct Key: SecretMaterial {
        fileprivate let keys: Keys
        fileprivate let index: Int
        var count: Int { 32 }

        func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
            body(UnsafeRawBufferPointer(rebasing: keys.memory[(index * 32)..<(index * 32 + 32)]))
        }
    }

    static func parse(_ text: UnsafeRawBufferPointer) throws(Failure) -> DeviceConfiguration {
        // A peer takes at least 100 bytes.
        let keys = Keys(capacity: text.count / 64 + 4)
        var configuration = DeviceConfiguration(replacePeers: true)
        configuration.peers.reserveCapacity(text.count / 200)
        var peer: PeerConfiguration?
        var start = 0
        while start < text.count {
            let end = text[start...].firstIndex(of: 10) ?? text.count
            let line = trimmed(text[start..<end])
            start = end + 1
            if line.isEmpty { continue }
            if line[line.startIndex] == UInt8(ascii: "[") {
                if let peer { configuration.peers.append(peer) }
                peer =
                    line[line.startIndex + 1] == UInt8(ascii: "P")
                    ? PeerConfiguration(publicKey: .zero) : nil
                continue
            }
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else {
                throw Failure(description: "no '='")
            }
            let value = trimmed(line[(equals + 1)...])
            // The first two letters tell the settings apart, but for the two kinds of port and key.
            switch String(decoding: trimmed(line[..<equals]), as: UTF8.self) {
            case "PrivateKey": configuration.privateKey = try secret(value, keys)
            case "ListenPort":
                configuration.listenPort = UInt16(String(decoding: value, as: UTF8.self))
            case "PublicKey": peer?.publicKey = try publicKey(value)
            case "PresharedKey": peer?.presharedKey = .set(try secret(value, keys))
            case "Endpoint": peer?.endpoint = SocketEndpoint(String(decoding: value, as: UTF8.self))
            case "PersistentKeepalive":
                peer?.keepalive = UInt16(String(decoding: value, as: UTF8.self))
            case "AllowedIPs": peer?.allowedIPs = try prefixes(value)
            default: throw Failure(description: "an unknown setting")
            }
        }
        if let peer { configuration.peers.append(peer) }
        return configuration
    }

    private static func trimmed(_ text: Slice<UnsafeRawBufferPointer>) -> Slice<
        UnsafeRawBufferPointer
    > {
        var text = text
        while let first = text.first, first == 32 { text = text.dropFirst() }
        while let last = text.last, last == 32 { text = text.dropLast() }
        return text
    }

    private static func secret(_ value: Slice<UnsafeRawBufferPointer>, _ keys: Keys) throws(Failure)
        -> Key
    {
        guard let place = keys.next(), decode(value, into: place) else {
            throw Failure(description: "a bad key")
        }
        return Key(keys: keys, index: keys.count - 1)
    }

    private static func publicKey(_ value: Slice<UnsafeRawBufferPointer>) throws(Failure)
        -> PublicKey
    {
        let key = withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { place in
            decode(value, into: place) ? PublicKey(loading: UnsafeRawBufferPointer(place)) : nil
        }
        guard let key else { throw Failure(description: "a bad key") }
        return key
    }

    private static func prefixes(_ value: Slice<UnsafeRawBufferPointer>) throws(Failure)
        -> [IPPrefix]
    {
        var list: [IPPrefix] = []
        list.reserveCapacity(2)
        for part in value.split(separator: UInt8(ascii: ",")) {
            guard let prefix = IPPrefix(String(decoding: trimmed(part), as: UTF8.self)) else {
                throw Failure(description: "a bad allowed IP")
            }
            list.append(prefix)
        }
        return list
    }

    /// Base64 of 32 bytes: 43 characters and one '='.
    private static func decode(
        _ text: Slice<UnsafeRawBufferPointer>, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard text.count == 44 else { return false }
        let base = text.startIndex
        var wrong: UInt32 = 0
        var place = 0
        for group in 0..<11 {
            var bits: UInt32 = 0
            for index in 0..<4 {
                let character = text[base + group * 4 + index]
                let isPadding = group == 10 && index == 3
                let value: UInt32 = isPadding ? 0 : self.value(character)
                wrong |= value & 0x100
                bits = bits << 6 | value & 63
            }
            target[place] = UInt8(truncatingIfNeeded: bits >> 16)
            target[place + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            if group < 10 { target[place + 2] = UInt8(truncatingIfNeeded: bits) }
            place += 3
        }
        return wrong == 0
    }

    private static func value(_ character: UInt8) -> UInt32 {
        switch character {
        case 65...90: UInt32(character) - 65
        case 97...122: UInt32(character) - 71
        case 48...57: UInt32(character) + 4
        case 43: 62
        case 47: 63
        default: 0x100
        }
    }
}
