import MeshModel
import NodeProtocol

/// One run's conversation with a node's witness. Used by one thread at a time.
final class WitnessConnection: Sendable {
    private let stream: any ByteStream
    private let timeout: Double
    private let node: String

    init(over stream: any ByteStream, node: String, timeout: Double) {
        self.stream = stream
        self.node = node
        self.timeout = timeout
    }

    deinit { stream.close() }

    /// Who and where the node is.
    func look(meshID: String, nonce: String) throws(ControllerError) -> NodeLook {
        let answer = try ask(.look(meshID: meshID, node: node, nonce: nonce))
        guard case .looked(let look) = answer else { throw unexpected(answer, "look") }
        guard look.version == ProtocolVersion.current, look.face.node == node else {
            throw ControllerError(
                .agent, "another version of meshproof answered, or another node",
                hint: "run meshproof up, which brings the same version to every node")
        }
        return look
    }

    /// Has it watch.
    func begin(_ order: WitnessOrder) throws(ControllerError) {
        let answer = try ask(.begin(order))
        guard case .began = answer else { throw unexpected(answer, "begin") }
    }

    /// Has it put probes, and waits for the last.
    func probe(_ orders: [ProbeOrder]) throws(ControllerError) {
        let longest = orders.map(\.timeout).max() ?? 0
        let answer = try ask(.probe(orders), extra: longest)
        guard case .probed = answer else { throw unexpected(answer, "probe") }
    }

    /// What it has seen.
    func finish() throws(ControllerError) -> SignedFacts {
        let answer = try ask(.finish)
        guard case .facts(let facts) = answer else { throw unexpected(answer, "finish") }
        return facts
    }

    private func ask(
        _ request: WitnessRequest, extra: Double = 0
    ) throws(ControllerError) -> WitnessResponse {
        do {
            return try Conversation.exchange(
                request, for: WitnessResponse.self, over: stream, timeout: timeout + extra)
        } catch { throw plain(error) }
    }

    /// The same in words about the witness: what helps with an agent does not help here.
    private func plain(_ error: ControllerError) -> ControllerError {
        switch error.code {
        case .timeout:
            ControllerError(
                .timeout, "its witness did not answer in time",
                hint:
                    "pgrep -af 'node witness'   # on \(node): is it stuck? on a busy machine --timeout 60"
            )
        case .hungUp:
            ControllerError(
                .hungUp,
                "its witness ended before it answered"
                    + (stream.errorText.isEmpty ? "" : ": \(stream.errorText)"),
                hint: "verify again; should it stay so: dmesg   # on \(node): was it killed?")
        case .agent:
            ControllerError(
                .agent, "its witness answered with something else: \(error.message)",
                hint:
                    "meshproof up, which brings this version to \(node); and find out who answered"
            )
        default: error
        }
    }

    private func unexpected(_ answer: WitnessResponse, _ request: String) -> ControllerError {
        if case .refused(let refusal) = answer {
            return Conversation.unexpected(refusal, to: request)
        }
        return Conversation.unexpected(nil, to: request)
    }
}
