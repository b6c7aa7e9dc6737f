import Glibc
import LinuxSystem
import MeshModel
import Netlink
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

    /// Reads and parses a file, and wipes what was read.
    static func read(_ path: String) throws -> DeviceConfiguration {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        if fd < 0 { throw SystemError("open", path, errno: errno) }
        let file = Descriptor(owning: fd)
        var info = stat()
        try check("stat", path) { fstat(file.number, &info) }
        let text = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(Int(info.st_size), 1), alignment: 16)
        defer {
            explicit_bzero(text.baseAddress!, text.count)
            text.deallocate()
        }
        var count = 0
        while count < info.st_size {
            let start = count
            let size = try checkCount("read", path) {
                Glibc.read(file.number, text.baseAddress! + start, text.count - start)
            }
            if size == 0 { break }
            count += size
        }
        return try parse(UnsafeRawBufferPointer(rebasing: text[..<count]))
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
            let name = trimmed(line[..<equals])
            if matches(name, "PublicKey") {
                peer?.publicKey = try publicKey(value)
            } else if matches(name, "PresharedKey") {
                peer?.presharedKey = .set(try secret(value, keys))
            } else if matches(name, "AllowedIPs") {
                peer?.allowedIPs = try prefixes(value)
            } else if matches(name, "Endpoint") {
                peer?.endpoint = try endpoint(value)
            } else if matches(name, "PersistentKeepalive") {
                peer?.keepalive = try number(value)
            } else if matches(name, "PrivateKey") {
                configuration.privateKey = try secret(value, keys)
            } else if matches(name, "ListenPort") {
                configuration.listenPort = try number(value)
            } else {
                throw Failure(description: "an unknown setting")
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

    private static func matches(_ name: Slice<UnsafeRawBufferPointer>, _ word: StaticString) -> Bool
    {
        guard name.count == word.utf8CodeUnitCount else { return false }
        return memcmp(
            UnsafeRawBufferPointer(rebasing: name).baseAddress!, word.utf8Start, name.count) == 0
    }

    private static func number(_ value: Slice<UnsafeRawBufferPointer>) throws(Failure) -> UInt16 {
        var number = 0
        for byte in value {
            guard (48...57).contains(byte), number <= 65_535 else {
                throw Failure(description: "a bad number")
            }
            number = number * 10 + Int(byte - 48)
        }
        guard let short = UInt16(exactly: number) else {
            throw Failure(description: "a bad number")
        }
        return short
    }

    private static func prefixes(_ value: Slice<UnsafeRawBufferPointer>) throws(Failure)
        -> [IPPrefix]
    {
        var list: [IPPrefix] = []
        list.reserveCapacity(2)
        var rest = value
        while true {
            let comma = rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.endIndex
            let part = trimmed(rest[..<comma])
            guard let slash = part.firstIndex(of: UInt8(ascii: "/")),
                let prefix = IPPrefix(
                    try address(part[..<slash]), length: Int(try number(part[(slash + 1)...])))
            else { throw Failure(description: "a bad allowed IP") }
            list.append(prefix)
            if comma == rest.endIndex { return list }
            rest = rest[(comma + 1)...]
        }
    }

    private static func endpoint(_ value: Slice<UnsafeRawBufferPointer>) throws(Failure)
        -> SocketEndpoint
    {
        guard let colon = value.lastIndex(of: UInt8(ascii: ":")) else {
            throw Failure(description: "a bad endpoint")
        }
        var host = value[..<colon]
        if host.first == UInt8(ascii: "[") { host = host.dropFirst().dropLast() }
        return SocketEndpoint(try address(host), try number(value[(colon + 1)...]))
    }

    private static func address(_ text: Slice<UnsafeRawBufferPointer>) throws(Failure) -> IPAddress
    {
        let isIPv6 = text.contains(UInt8(ascii: ":"))
        let found = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) {
            place -> IPAddress? in
            guard text.count < 47 else { return nil }
            place.copyBytes(from: text)
            place[text.count] = 0
            let target = UnsafeMutableRawBufferPointer(rebasing: place[48...])
            let name = place.baseAddress!.assumingMemoryBound(to: CChar.self)
            guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, name, target.baseAddress!) == 1 else {
                return nil
            }
            return NetlinkReader.address(
                UnsafeRawBufferPointer(rebasing: target[..<(isIPv6 ? 16 : 4)]))
        }
        guard let found else { throw Failure(description: "a bad address") }
        return found
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
