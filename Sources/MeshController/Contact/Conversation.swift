import LinuxSystem
import MeshModel
import NodeProtocol

/// One request and its answer, as frames over a stream.
package enum Conversation {
    /// Sends `request` and waits for the answer.
    ///
    /// *Throws:* ``ControllerError`` `timeout`, `hungUp` where the other side ends first, `agent` where it does not
    /// follow the protocol.
    package static func exchange<Answer: Decodable>(
        _ request: some Encodable, for type: Answer.Type, over stream: any ByteStream,
        timeout: Double
    ) throws(ControllerError) -> Answer {
        let deadline = Clocks.monotonic() + timeout
        do {
            let frame = try FrameReader.frame(try Wire.encode(request))
            do throws(ControllerError) { try stream.write(frame, deadline: deadline) } catch {
                // A bridge that found no agent has said so, and gone before it could read.
                let said = stream.errorText
                if error.code == .timeout || said.isEmpty { throw error }
                throw hungUp(said)
            }
            var reader = FrameReader()
            while true {
                if let frame = try reader.next() { return try Wire.decode(type, from: frame) }
                let bytes = try stream.read(deadline: deadline)
                if bytes.isEmpty { throw hungUp(stream.errorText) }
                // An answer that never ends keeps a stream from ever waiting, and so from giving up.
                if Clocks.monotonic() > deadline {
                    throw ControllerError(
                        .timeout, "its answer did not end within \(Int(timeout)) s",
                        hint: "over a slow link --timeout gives it longer")
                }
                reader.append(bytes)
            }
        } catch let error as ProtocolError {
            throw ControllerError(.agent, error.message)
        } catch let error as ControllerError {
            throw error
        } catch {
            throw ControllerError(.agent, "\(error)")
        }
    }

    private static func hungUp(_ said: String) -> ControllerError {
        ControllerError(
            .hungUp, said.isEmpty ? "the agent hung up" : said,
            hint: "see the agent's log on the node; meshproof up starts it again")
    }

    /// What a refusal means, or an answer to another question.
    static func unexpected(_ refusal: ProtocolError?, to request: String) -> ControllerError {
        guard let refusal else {
            return ControllerError(.agent, "the agent's answer to \(request) makes no sense")
        }
        switch refusal.code {
        case .applyFailed: return ControllerError(.apply, refusal.message)
        case .otherController, .notEnrolled: return ControllerError(.enroll, refusal.message)
        default:
            return ControllerError(.agent, "the agent refused to \(request): \(refusal.message)")
        }
    }
}
