import JoinChannel
import LinuxSystem
import NodeProtocol

/// A node's connection as the rest of the controller takes it. Used by one thread at a time.
final class JoinByteStream: ByteStream {
    private let stream: JoinStream

    init(_ stream: JoinStream) { self.stream = stream }

    func read(deadline: Double) throws(ControllerError) -> [UInt8] {
        do { return try stream.read(deadline: deadline) } catch { throw ControllerError(error) }
    }

    func write(_ bytes: [UInt8], deadline: Double) throws(ControllerError) {
        do { try stream.write(bytes, deadline: deadline) } catch { throw ControllerError(error) }
    }

    func close() { stream.close() }

    let errorText = ""
}

extension ControllerError {
    /// What a failure of a join's connection means to a run.
    init(_ error: JoinChannelError) {
        let code: Code =
            switch error.code {
            case .timeout: .timeout
            case .hungUp: .hungUp
            case .refused: .authentication
            case .unreachable, .garbled, .system: .unreachable
            }
        self.init(code, error.message)
    }
}

extension JoinStream {
    /// Sends one message of a join.
    func send(_ message: some Encodable, deadline: Double) throws(ControllerError) {
        do {
            try write(try FrameReader.frame(try Wire.encode(message)), deadline: deadline)
        } catch let error as JoinChannelError {
            throw ControllerError(error)
        } catch { throw ControllerError(.agent, "\(error)") }
    }

    /// The next message of a join.
    ///
    /// *Throws:* ``ControllerError`` `timeout`, `hungUp`; `agent` for what is no such message, or too large.
    func receive<Message: Decodable>(
        _ type: Message.Type, deadline: Double
    ) throws(ControllerError) -> Message {
        var reader = FrameReader(bound: JoinLimits.frame)
        do {
            while true {
                if let frame = try reader.next() { return try Wire.decode(type, from: frame) }
                let bytes = try read(deadline: deadline)
                if bytes.isEmpty { throw ControllerError(.hungUp, "the node ended the connection") }
                // Bytes that come one by one keep a stream from ever waiting, and so from giving up.
                if Clocks.monotonic() > deadline {
                    throw ControllerError(.timeout, "the node's message did not end in time")
                }
                reader.append(bytes)
            }
        } catch let error as ControllerError {
            throw error
        } catch let error as JoinChannelError {
            throw ControllerError(error)
        } catch { throw ControllerError(.agent, "\(error)") }
    }
}
