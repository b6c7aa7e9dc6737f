import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol

/// Reaches the node that is joining by the connections that it offers, and all others as usual.
struct JoinCarrier: Carrier {
    let node: String
    let gate: JoinGate
    let others: any Carrier

    func connect(to node: Node, timeout: Double) throws(ControllerError) -> any CarrierSession {
        if node.name != self.node { return try others.connect(to: node, timeout: timeout) }
        let stream = try gate.take(since: Clocks.monotonic(), timeout: timeout)
        return JoinSession(gate, first: stream)
    }
}

/// What the controller may ask of a node that is joining: each order takes a connection of its own.
///
/// The first order takes the connection that was made when the session was, so that a session which is opened after a
/// change proves that there is still a way.
///
/// Unchecked: used by one thread at a time, as ``CarrierSession`` asks of its callers.
private final class JoinSession: OrderedSession, @unchecked Sendable {
    private let gate: JoinGate
    private var first: JoinStream?
    private let peer: String

    init(_ gate: JoinGate, first: JoinStream) {
        self.gate = gate
        self.first = first
        peer = first.peer
    }

    deinit { first?.close() }

    var description: String { "join from \(peer)" }

    func look(mesh: String, timeout: Double) throws(ControllerError) -> NodeProbe {
        let (stream, answer) = try ask(.look(mesh: mesh), timeout: timeout)
        stream.close()
        guard case .looked(let look) = answer else {
            throw Self.unexpected(answer, to: "look around")
        }
        var probe = NodeProbe()
        probe.system = Self.plain(look.system)
        probe.machine = Self.plain(look.machine)
        probe.digest = look.digest
        probe.isEnrolled = look.isEnrolled
        probe.hasSocket = look.hasSocket
        probe.isStale = look.isStale
        probe.hasSystemd = look.hasSystemd
        // `meshproof join` asks for root before it does anything else.
        probe.uid = 0
        return probe
    }

    func enroll(
        _ identity: MeshIdentity, node: String, timeout: Double
    ) throws(ControllerError) -> Enrollment {
        let order = JoinOrder.enroll(
            JoinEnrollment(
                mesh: identity.mesh, meshID: identity.meshID, node: node,
                controllerKey: identity.controllerKey, successions: identity.successions))
        let (stream, answer) = try ask(order, timeout: timeout)
        stream.close()
        guard case .enrolled(let enrollment) = answer else {
            throw Self.unexpected(answer, to: "enroll")
        }
        return enrollment
    }

    func bridge(mesh: String, timeout: Double) throws(ControllerError) -> any ByteStream {
        let (stream, answer) = try ask(.bridge(mesh: mesh), timeout: timeout)
        guard case .bridged = answer else {
            stream.close()
            throw Self.unexpected(answer, to: "pass a connection on to its agent")
        }
        return JoinByteStream(stream)
    }

    private func ask(
        _ order: JoinOrder, timeout: Double
    ) throws(ControllerError) -> (JoinStream, JoinAnswer) {
        let stream: JoinStream
        if let first {
            stream = first
            self.first = nil
        } else {
            stream = try gate.take(since: 0, timeout: timeout)
        }
        let deadline = Clocks.monotonic() + timeout
        do throws(ControllerError) {
            try stream.send(order, deadline: deadline)
            return (stream, try stream.receive(JoinAnswer.self, deadline: deadline))
        } catch {
            // Nothing was begun: it is the connection that is no good, as if none had been made.
            if error.code != .hungUp { throw error }
            throw ControllerError(.unreachable, error.message, hint: error.hint)
        }
    }

    private static func unexpected(_ answer: JoinAnswer, to request: String) -> ControllerError {
        if case .refused(let refusal) = answer {
            let code: ControllerError.Code =
                [.otherController, .notEnrolled].contains(refusal.code) ? .enroll : .agent
            return ControllerError(code, plain(refusal.message))
        }
        return ControllerError(.agent, "the node's answer to \(request) makes no sense")
    }

    /// The node's words, without what a terminal would obey.
    private static func plain(_ text: String) -> String {
        String(
            decoding: text.utf8.prefix(500).map { (0x20...0x7e).contains($0) ? $0 : 0x3f },
            as: UTF8.self)
    }

    // MARK: What there is no way to do

    func run(_ command: String, timeout: Double) throws(ControllerError) -> CommandResult {
        throw Self.noShell
    }

    func upload(
        fileAt path: String, to command: String, timeout: Double,
        progress: @escaping (Int, Int) -> Void
    ) throws(ControllerError) -> CommandResult { throw Self.noShell }

    func open(_ command: String) throws(ControllerError) -> any ByteStream { throw Self.noShell }

    private static let noShell = ControllerError(
        .joined, "a node that is joining runs no command of the controller's")
}
