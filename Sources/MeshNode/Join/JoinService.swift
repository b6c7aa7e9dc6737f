import Glibc
import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization

/// What a node that joins does for its controller: a closed list, and no shell.
///
/// Each connection serves one order, on a thread of its own.
final class JoinService: Sendable {
    /// Why somebody need not wait any longer.
    enum Waited { case passed, taken, ended }

    private struct State {
        var end: JoinEnd?
        var isEnrolled = false
        var isStopped = false
        /// Grows with each order, so that another connection is offered at once.
        var orders = 0
        var seen = 0
    }

    private let invitation: JoinInvitation
    private let folders: NodeFolders
    private let say: @Sendable (JoinNews) -> Void
    private let state = Mutex(State())

    /// How long either side may take to accept bytes. *Units:* seconds.
    private static let patience = 30.0
    /// How long a conversation with the agent may say nothing: longer than any window. *Units:* seconds.
    private static let silence = 900.0

    init(
        _ invitation: JoinInvitation, folders: NodeFolders,
        say: @escaping @Sendable (JoinNews) -> Void
    ) {
        self.invitation = invitation
        self.folders = folders
        self.say = say
    }

    /// How the join came out, once it is over.
    var end: JoinEnd? { state.withLock(\.end) }
    /// Whether this machine was enrolled by now.
    var isEnrolled: Bool { state.withLock(\.isEnrolled) || Files.exists(folders.identity) }

    /// Has the connections that are open end.
    func stop() { state.withLock { $0.isStopped = true } }

    /// Waits until a connection was taken, the join is over, or so much time has passed.
    func waits(seconds: Double) -> Waited {
        let deadline = Clocks.monotonic() + seconds
        while true {
            let found: Waited? = state.withLock { state in
                if state.end != nil { return .ended }
                if state.orders == state.seen { return nil }
                state.seen = state.orders
                return .taken
            }
            if let found { return found }
            if Clocks.monotonic() >= deadline { return .passed }
            Clocks.sleep(0.01)
        }
    }

    /// Waits for one order on a connection, and carries it out.
    func serve(_ stream: JoinStream, patience: Double) {
        defer { stream.close() }
        do {
            guard let order = try nextOrder(stream, patience) else { return }
            state.withLock { $0.orders += 1 }
            try obey(order, stream)
        } catch let error as NodeError {
            try? answer(.refused(error.refusal), stream)
        } catch let error as ProtocolError {
            try? answer(.refused(error), stream)
        } catch {
            // The connection has gone: the controller makes another.
        }
    }

    /// In short turns, so that a join that is over waits for none of its connections; nil where the controller had no use
    /// for this one.
    private func nextOrder(_ stream: JoinStream, _ patience: Double) throws -> JoinOrder? {
        let deadline = Clocks.monotonic() + patience
        while Clocks.monotonic() < deadline, !state.withLock({ $0.isStopped || $0.end != nil }) {
            do {
                let bytes = try stream.read(deadline: Clocks.monotonic() + 0.2)
                if bytes.isEmpty { return nil }
                return try JoinFrames.receive(
                    JoinOrder.self, from: stream, begun: bytes,
                    deadline: Clocks.monotonic() + patience)
            } catch let error as JoinChannelError {
                if error.code != .timeout { return nil }
            }
        }
        return nil
    }

    private func obey(_ order: JoinOrder, _ stream: JoinStream) throws {
        switch order {
        case .look(let mesh):
            try check(mesh)
            try answer(.looked(try JoinLook(on: folders)), stream)
        case .enroll(let enrollment):
            try answer(.enrolled(try enroll(enrollment)), stream)
            state.withLock { $0.isEnrolled = true }
            say(.enrolled)
        case .bridge(let mesh):
            try check(mesh)
            let socket: Descriptor
            do { socket = try AgentSocket.connect(folders.socket) } catch {
                throw NodeError(
                    .agentSilent, "reach agent", folders.mesh, error.description,
                    hint: "see \(folders.log), or the journal of \(folders.unitName)")
            }
            try answer(.bridged, stream)
            say(.configuring)
            try stream.bridge(
                to: socket.number, patience: Self.patience, silence: Self.silence)
        case .end(let end):
            try answer(.ended, stream)
            state.withLock { $0.end = end }
        }
    }

    private func answer(_ answer: JoinAnswer, _ stream: JoinStream) throws {
        try JoinFrames.send(answer, to: stream, deadline: Clocks.monotonic() + Self.patience)
    }

    private func check(_ mesh: String) throws(ProtocolError) {
        if mesh != invitation.mesh {
            throw ProtocolError(.wrongName, "this node joins mesh \(invitation.mesh), and no other")
        }
    }

    /// Runs the installed program's own enrolment, with exactly what the token says.
    private func enroll(_ order: JoinEnrollment) throws -> Enrollment {
        try check(order.mesh)
        guard order.node == invitation.node, order.controllerKey == invitation.controllerKey else {
            throw ProtocolError(
                .otherController, "the token is for another node, or of another controller's key")
        }
        guard order.meshID.utf8.count == 32, Base64.unhex(order.meshID) != nil else {
            throw ProtocolError(.malformed, "the mesh's identity is not 32 hexadecimal digits")
        }
        var arguments = [
            folders.binary, "node", "enroll", "--mesh", invitation.mesh, "--mesh-id", order.meshID,
            "--node", invitation.node, "--controller-key", invitation.controllerKey.description,
        ]
        if !order.successions.isEmpty {
            arguments += ["--succession", Base64.encode(try Wire.encode(order.successions))]
        }
        let result: CommandResult
        do { result = try Child.run(arguments, timeout: 60) } catch {
            throw NodeError("enroll", error)
        }
        guard result.status.isSuccess else {
            throw NodeError(.join, "enroll", invitation.mesh, JoinRun.plain(result.errorText))
        }
        return try Wire.decode(Enrollment.self, from: result.output)
    }
}
