import LinuxSystem
import MeshController
import NodeProtocol
import Testing

@Suite("A conversation with a node ends, whatever the node does")
struct ConversationTests {
    /// Gives the same bytes for ever, at once.
    private final class Fountain: ByteStream {
        let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func read(deadline: Double) throws(ControllerError) -> [UInt8] { bytes }
        func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {}
        func close() {}
        var errorText: String { "" }
    }

    @Test("an answer that never ends is given up at the deadline")
    func endless() throws {
        // The length says 1 MiB, of which each read brings one byte: without a deadline it would go on for long.
        let stream = Fountain([0])
        let error = #expect(throws: ControllerError.self) {
            try Conversation.exchange(
                WitnessRequest.finish, for: WitnessResponse.self,
                over: Prefixed(stream, [0x01, 0xf0, 0, 0]), timeout: 0.05)
        }
        #expect(error?.code == .timeout)
    }

    @Test("a frame without a size that can be is refused at once")
    func nonsense() {
        let error = #expect(throws: ControllerError.self) {
            try Conversation.exchange(
                WitnessRequest.finish, for: WitnessResponse.self,
                over: Fountain(Array("not what it says".utf8)), timeout: 600)
        }
        #expect(error?.code == .agent)
    }

    /// Gives some bytes first.
    private final class Prefixed: ByteStream {
        private let rest: any ByteStream
        private let first: Pending

        /// Used by one thread.
        private final class Pending: @unchecked Sendable {
            var bytes: [UInt8]
            init(_ bytes: [UInt8]) { self.bytes = bytes }
        }

        init(_ rest: any ByteStream, _ bytes: [UInt8]) {
            self.rest = rest
            first = Pending(bytes)
        }

        func read(deadline: Double) throws(ControllerError) -> [UInt8] {
            if first.bytes.isEmpty { return try rest.read(deadline: deadline) }
            defer { first.bytes = [] }
            return first.bytes
        }
        func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {}
        func close() {}
        var errorText: String { "" }
    }
}
