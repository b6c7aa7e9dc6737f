import Glibc
import LinuxSystem
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

    var sequence: UInt32 { uint32(8) }
}

let testPort: UInt32 = 4711

/// One message, as the kernel would send it.
func message(
    _ type: UInt16, flags: UInt16 = 0, sequence: UInt32, port: UInt32 = testPort,
    _ body: (inout NetlinkWriter) -> Void
) -> [UInt8] {
    var writer = NetlinkWriter(capacity: 1024)
    writer.start(type: type, flags: flags)
    body(&writer)
    writer.seal(sequence: sequence)
    var bytes = writer.withBytes { [UInt8]($0) }
    bytes.set32(12, port)
    return bytes
}

func acknowledgement(
    _ errno: Int32 = 0, sequence: UInt32, port: UInt32 = testPort, text: String? = nil
) -> [UInt8] {
    let attributes = text == nil ? 0 : NetlinkFlags.acknowledgementAttributes
    return message(
        NetlinkControl.error, flags: NetlinkFlags.capped | attributes, sequence: sequence,
        port: port
    ) { writer in
        writer.append(-errno)
        // The request's own header, as far as anybody looks at it.
        writer.append(UInt32(16))
        writer.append(UInt64(0))
        writer.append(UInt32(0))
        if let text { writer.put(1, text) }
    }
}

func done(_ errno: Int32 = 0, flags: UInt16 = NetlinkFlags.multi, sequence: UInt32) -> [UInt8] {
    message(NetlinkControl.done, flags: flags, sequence: sequence) { $0.append(-errno) }
}

/// A route socket whose kernel is one function.
func routeSocket(_ answer: @escaping @Sendable ([UInt8]) -> [Datagram]) -> RouteSocket {
    RouteSocket(
        connection: NetlinkConnection { () throws(SystemError) -> any NetlinkTransport in
            FunctionTransport(port: testPort, answer)
        })
}
