import MeshModel
import TestSupport
import WireWitness

/// Builds frames with the lengths that they should have; tests then spoil what they want to see spoilt.
enum WireFrames {
    static let alpha = "02:00:00:00:00:0a"
    static let beta = "02:00:00:00:00:0b"

    static func bytes16(_ value: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    static func bytes32(_ value: UInt32) -> [UInt8] {
        bytes16(Int(value >> 16)) + bytes16(Int(value & 0xffff))
    }

    static func hardware(_ text: String) -> [UInt8] {
        text.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    }

    static func ethernet(
        _ payload: [UInt8], type: Int? = nil, from: String = alpha, to: String = beta
    ) -> [UInt8] {
        let type = type ?? (payload.first.map { $0 >> 4 } == 6 ? 0x86dd : 0x0800)
        return hardware(to) + hardware(from) + bytes16(type) + payload
    }

    /// An IPv4 packet; `place` is the fragment's offset in bytes.
    static func ipv4(
        _ carried: [UInt8], _ ipProtocol: UInt8 = 17, from: String = "192.0.2.1",
        to: String = "192.0.2.2", options: [UInt8] = [], id: Int = 7, place: Int = 0,
        more: Bool = false
    ) -> [UInt8] {
        let size = 20 + options.count
        return [0x40 | UInt8(size / 4), 0] + bytes16(size + carried.count) + bytes16(id)
            + bytes16(place / 8 | (more ? 0x2000 : 0)) + [64, ipProtocol, 0, 0] + address(from)
            + address(to) + options + carried
    }

    /// An IPv6 packet; `next` is the first header's number.
    static func ipv6(
        _ carried: [UInt8], _ next: UInt8 = 17, from: String = "2001:db8::1",
        to: String = "2001:db8::2"
    ) -> [UInt8] {
        [0x60, 0, 0, 0] + bytes16(carried.count) + [next, 64] + address(from) + address(to)
            + carried
    }

    static func udp(_ payload: [UInt8], _ from: Int = 51820, _ to: Int = 51820, length: Int? = nil)
        -> [UInt8]
    {
        bytes16(from) + bytes16(to) + bytes16(length ?? payload.count + 8) + [0, 0] + payload
    }

    static func tcp(
        _ payload: [UInt8], _ from: Int, _ to: Int, sequence: UInt32 = 1, acknowledged: UInt32 = 0,
        flags: UInt8 = 0x18
    ) -> [UInt8] {
        bytes16(from) + bytes16(to) + bytes32(sequence) + bytes32(acknowledged)
            + [0x50, flags, 1, 0, 0, 0, 0, 0] + payload
    }

    /// A message of WireGuard's: its head, and random bytes where keys and ciphertext are.
    static func wireGuard(_ type: UInt8, _ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix(seed)
        return [type, 0, 0, 0] + random.bytes(count - 4)
    }

    /// A data message to a receiver, with a counter.
    static func data(_ count: Int, receiver: UInt8, counter: UInt8) -> [UInt8] {
        var random = SplitMix(UInt64(counter) + 99)
        return [4, 0, 0, 0, receiver, 0, 0, 0, counter, 0, 0, 0, 0, 0, 0, 0]
            + random.bytes(count - 16)
    }

    private static func address(_ text: String) -> [UInt8] { IPAddress(text)?.bytes ?? [] }
}

/// The order of a mesh of three machines: alpha, which is asked, beta and gamma.
func sampleOrder() -> WitnessOrder {
    func face(_ node: String, _ number: Int, _ hardware: String) -> HostFace {
        HostFace(
            node: node,
            underlay: ["192.0.2.\(number)", "2001:db8::\(number)"].compactMap(IPAddress.init),
            overlay: ["10.77.0.\(number)"].compactMap(IPAddress.init), hardware: [hardware])
    }
    let hosts = [
        face("alpha", 1, WireFrames.alpha), face("beta", 2, WireFrames.beta),
        face("gamma", 3, "02:00:00:00:00:0c"),
    ]
    func allowed(_ kind: AllowedFlow.Kind, _ ipProtocol: UInt8, _ aPort: UInt16?, _ bPort: UInt16)
        -> AllowedFlow
    {
        AllowedFlow(
            kind: kind, ipProtocol: ipProtocol, a: "alpha", aPort: aPort, b: "beta", bPort: bPort)
    }
    return WitnessOrder(
        nonce: String(repeating: "0", count: 32), meshID: "m", node: "alpha", hosts: hosts,
        allowed: [
            allowed(.wireguard, 17, 51820, 51820), allowed(.tunnel, 6, nil, 2222),
            allowed(.management, 6, nil, 22), allowed(.tls, 6, nil, 5432),
        ],
        canaryPrefix: "mpcanary-", controlPrefix: "mpcontrol-", controlTargets: [], flows: [],
        ports: [])
}

/// What an examiner makes of frames that alpha's eth0 showed.
func examine(
    _ frames: [[UInt8]], role: DeviceCapture.Role = .underlay, mtu: Int = 1500,
    interfaces: [ObservedInterface] = []
) -> CaptureFacts {
    let order = sampleOrder()
    let device = Examiner.Device(name: "eth0", role: role, mtu: mtu)
    var examiner = Examiner(order, devices: [device])
    for frame in frames {
        frame.withUnsafeBytes {
            examiner.take($0, link: .ethernet, device: 0, length: frame.count)
        }
    }
    return examiner.facts([], LearntEndpoints(interfaces, order))
}

/// The kinds and looks of the flows that frames made, in order: `wireguard` or `undeclared clear`.
func kinds(_ frames: [[UInt8]], mtu: Int = 1500) -> [String] {
    examine(frames, mtu: mtu).flows.map(word)
}

/// A flow in a word or two.
func word(_ flow: WireFlow) -> String {
    flow.kind == .undeclared ? "undeclared \(flow.appearance.rawValue)" : flow.kind.rawValue
}
