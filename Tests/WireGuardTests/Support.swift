import Glibc
import LinuxSystem
import MeshModel
import Netlink

typealias Datagram = Result<[UInt8], SystemError>

/// A small seeded generator, so that a failure can be had again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

/// How many mutated inputs a fuzz test takes; scripts/test asks for 100,000.
func fuzzRounds(_ standard: Int) -> Int {
    getenv("MESHPROOF_FUZZ").flatMap { Int(String(cString: $0)) } ?? standard
}

/// A field of bytes, with a word on what it is: golden bytes are written as a list of these.
func field(_ bytes: [UInt8], _ meaning: String) -> [UInt8] { bytes }

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

extension [UInt8] {
    func uint16(_ offset: Int) -> UInt16 { UInt16(self[offset]) | UInt16(self[offset + 1]) << 8 }
    func uint32(_ offset: Int) -> UInt32 {
        UInt32(uint16(offset)) | UInt32(uint16(offset + 2)) << 16
    }

    mutating func set32(_ offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))
        }
    }
}

let testPort: UInt32 = 4711

/// One message, as the kernel would send it.
func message(
    _ type: UInt16, flags: UInt16 = 0, sequence: UInt32, _ body: (inout NetlinkWriter) -> Void
) -> [UInt8] {
    var writer = NetlinkWriter(capacity: 32_768)
    writer.start(type: type, flags: flags)
    body(&writer)
    writer.seal(sequence: sequence)
    var bytes = writer.withBytes { [UInt8]($0) }
    bytes.set32(12, testPort)
    return bytes
}

func acknowledgement(_ errno: Int32 = 0, sequence: UInt32) -> [UInt8] {
    message(NetlinkControl.error, flags: NetlinkFlags.capped, sequence: sequence) { writer in
        writer.append(-errno)
        writer.append(UInt32(16))
        writer.append(UInt64(0))
        writer.append(UInt32(0))
    }
}

func done(flags: UInt16 = NetlinkFlags.multi, sequence: UInt32) -> [UInt8] {
    message(NetlinkControl.done, flags: flags, sequence: sequence) { $0.append(Int32(0)) }
}

/// Key bytes that only tests know.
struct TestSecret: SecretMaterial {
    let bytes: [UInt8]
    var count: Int { bytes.count }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { body($0) }
    }
}

/// Names a preshared key in tests: its own bytes, so that a test can tell which it was.
func identify(_ bytes: UnsafeRawBufferPointer) -> PresharedKeyID {
    PresharedKeyID(rawValue: Base64.hex(bytes))
}

func identity(_ secret: TestSecret) -> PresharedKeyID {
    PresharedKeyID(rawValue: Base64.hex(secret.bytes))
}
