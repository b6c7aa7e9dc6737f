import JoinChannel
import LinuxSystem
import NodeProtocol

/// A join's messages on the node's side.
enum JoinFrames {
    /// The next message; bounded.
    ///
    /// - Parameter begun: what was read of it already.
    static func receive<Message: Decodable>(
        _ type: Message.Type, from stream: JoinStream, begun: [UInt8] = [], deadline: Double
    ) throws -> Message {
        var reader = FrameReader(bound: JoinLimits.frame)
        reader.append(begun)
        while true {
            if let frame = try reader.next() { return try Wire.decode(type, from: frame) }
            let bytes = try stream.read(deadline: deadline)
            if bytes.isEmpty { throw JoinChannelError(.hungUp, "the controller hung up") }
            if Clocks.monotonic() > deadline {
                throw JoinChannelError(.timeout, "the controller's message did not end in time")
            }
            reader.append(bytes)
        }
    }

    static func send(_ message: some Encodable, to stream: JoinStream, deadline: Double) throws {
        try stream.write(try FrameReader.frame(try Wire.encode(message)), deadline: deadline)
    }
}
