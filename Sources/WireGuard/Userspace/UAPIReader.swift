package import MeshModel
import Netlink

/// Reads the text of a reply: lines `key=value`, the last of them `errno=…`, then an empty line.
///
/// The text comes from another process and is not trusted: what is no line of this protocol is refused, unknown keys are passed
/// over, and nothing grows beyond the text's own size.
///
/// *Source:* wireguard.com/xplatform.
package struct UAPIReader {
    /// What the bytes were not.
    package struct Failure: Error, Equatable {
        package let reason: String
    }

    /// The reply's `errno`, always positive.
    private(set) var errno: Int32?
    private(set) var device = ObservedDevice(publicKey: nil, listenPort: 0, fwmark: 0, peers: [])
    private var positions: [PublicKey: Int] = [:]
    private var current: Int?
    private let identify: (UnsafeRawBufferPointer) -> PresharedKeyID
    private let derive: (UnsafeRawBufferPointer) -> PublicKey?

    /// - Parameters:
    ///   - identify: names a preshared key.
    ///   - derive: the public key of a private key.
    package static func read(
        _ text: UnsafeRawBufferPointer, identify: (UnsafeRawBufferPointer) -> PresharedKeyID,
        derive: (UnsafeRawBufferPointer) -> PublicKey?
    ) throws(Failure) -> (device: ObservedDevice, errno: Int32) {
        var result: (ObservedDevice, Int32)?
        try withoutActuallyEscaping(identify) { (identify) throws(Failure) in
            try withoutActuallyEscaping(derive) { (derive) throws(Failure) in
                var reader = UAPIReader(identify: identify, derive: derive)
                result = (try reader.run(text), reader.errno ?? 0)
            }
        }
        guard let result else { throw Failure(reason: "nothing was read") }
        return result
    }

    private init(
        identify: @escaping (UnsafeRawBufferPointer) -> PresharedKeyID,
        derive: @escaping (UnsafeRawBufferPointer) -> PublicKey?
    ) {
        self.identify = identify
        self.derive = derive
    }

    private mutating func run(_ text: UnsafeRawBufferPointer) throws(Failure) -> ObservedDevice {
        let newline = UInt8(ascii: "\n")
        var start = 0
        while start < text.count {
            guard let end = text[start...].firstIndex(of: newline) else {
                throw Failure(reason: "the last line is not finished")
            }
            if end == start {
                guard errno != nil else { throw Failure(reason: "no errno") }
                guard end == text.count - 1 else { throw Failure(reason: "text after the end") }
                return device
            }
            if errno != nil { throw Failure(reason: "a line after errno") }
            let line = UnsafeRawBufferPointer(rebasing: text[start..<end])
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else {
                throw Failure(reason: "a line without '='")
            }
            let key = String(decoding: line[..<equals], as: UTF8.self)
            try take(key, UnsafeRawBufferPointer(rebasing: line[(equals + 1)...]))
            start = end + 1
        }
        throw Failure(reason: "the reply is not finished")
    }

    private mutating func take(_ key: String, _ value: UnsafeRawBufferPointer) throws(Failure) {
        switch key {
        case "errno": errno = try answer(value)
        case "private_key": device.publicKey = try secret(key, value, derive)
        case "listen_port": device.listenPort = try number(key, value)
        case "fwmark": device.fwmark = try number(key, value)
        case "public_key": try begin(value)
        case "preshared_key":
            let id = try secret(key, value) { identify($0) }
            try change(key) { $0.presharedKey = id }
        case "endpoint":
            let endpoint = try endpoint(value)
            try change(key) { $0.endpoint = endpoint }
        case "persistent_keepalive_interval":
            let keepalive: UInt16 = try number(key, value)
            try change(key) { $0.keepalive = keepalive }
        case "rx_bytes":
            let bytes: UInt64 = try number(key, value)
            try change(key) { $0.rxBytes = bytes }
        case "tx_bytes":
            let bytes: UInt64 = try number(key, value)
            try change(key) { $0.txBytes = bytes }
        case "last_handshake_time_sec":
            let whole: UInt64 = try number(key, value)
            try change(key) { $0.lastHandshake = Double(whole) }
        case "last_handshake_time_nsec":
            let nanoseconds: UInt64 = try number(key, value)
            // The seconds come in the line before.
            try change(key) { $0.lastHandshake += Double(nanoseconds) / 1_000_000_000 }
        case "allowed_ip":
            guard let prefix = IPPrefix(String(decoding: value, as: UTF8.self)) else {
                throw Failure(reason: "\(key) is no network")
            }
            try change(key) { $0.allowedIPs.append(prefix) }
        default: break
        }
    }

    private mutating func begin(_ value: UnsafeRawBufferPointer) throws(Failure) {
        let bytes = WipedBuffer(count: 32)
        guard UAPIHex.decode(value, into: bytes.bytes),
            let key = PublicKey(loading: UnsafeRawBufferPointer(bytes.bytes))
        else { throw Failure(reason: "public_key is no key") }
        if let position = positions[key] {
            current = position
            return
        }
        positions[key] = device.peers.count
        current = device.peers.count
        device.peers.append(
            ObservedPeer(
                publicKey: key, presharedKey: nil, endpoint: nil, keepalive: 0, allowedIPs: [],
                lastHandshake: 0, rxBytes: 0, txBytes: 0))
    }

    private mutating func change(_ key: String, _ body: (inout ObservedPeer) -> Void)
        throws(Failure)
    {
        guard let current else { throw Failure(reason: "\(key) before any public_key") }
        body(&device.peers[current])
    }

    /// Decodes a secret into memory that is wiped at once, and gives what `body` makes of it; nil for 32 zeros.
    private func secret<Result>(
        _ key: String, _ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Result?
    ) throws(Failure) -> Result? {
        let bytes = WipedBuffer(count: 32)
        guard UAPIHex.decode(value, into: bytes.bytes) else {
            throw Failure(reason: "\(key) is no key")
        }
        var bits: UInt8 = 0
        for byte in bytes.bytes { bits |= byte }
        return bits == 0 ? nil : body(UnsafeRawBufferPointer(bytes.bytes))
    }

    private func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ key: String, _ value: UnsafeRawBufferPointer
    ) throws(Failure) -> Number {
        guard (1...20).contains(value.count), value.allSatisfy({ (48...57).contains($0) }),
            let number = Number(String(decoding: value, as: UTF8.self))
        else { throw Failure(reason: "\(key) is no number in its range") }
        return number
    }

    /// `errno`: programs differ in its sign.
    private func answer(_ value: UnsafeRawBufferPointer) throws(Failure) -> Int32 {
        guard (1...11).contains(value.count),
            let code = Int32(String(decoding: value, as: UTF8.self)),
            code != .min
        else { throw Failure(reason: "errno is no number") }
        return abs(code)
    }

    /// `address:port`; the zone of a link-local address is passed over.
    private func endpoint(_ value: UnsafeRawBufferPointer) throws(Failure) -> SocketEndpoint {
        var text = String(decoding: value, as: UTF8.self)
        if let zone = text.firstIndex(of: "%"), let end = text.lastIndex(of: "]"), zone < end {
            text.removeSubrange(zone..<end)
        }
        guard let endpoint = SocketEndpoint(text) else {
            throw Failure(reason: "endpoint is no address and port")
        }
        return endpoint
    }
}
