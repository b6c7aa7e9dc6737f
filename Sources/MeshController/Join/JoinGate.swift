import JoinChannel
import LinuxSystem
import MeshModel
import NodeProtocol
import Secrets
import Synchronization

/// One invite's door: waits for the one node that has the token, and keeps the connections that it offers from then on.
///
/// The node dials; the controller cannot. So the node always offers a connection or two that nobody has used, and takes
/// back those that nobody takes: what is offered is fresh, and shows that there is a way now.
final class JoinGate: Sendable {
    /// Who has come in.
    struct Entrant: Sendable, Equatable {
        /// Where it is, for people.
        let peer: String
        /// The version of its program.
        let program: String
    }

    private struct State {
        var entrant: Entrant?
        var offered: [JoinStream] = []
        /// Turned away since the last look, by address.
        var refused: [String: Int] = [:]
        var isShut = false
    }

    /// How many connections that wait to be used are kept.
    private static let offers = 16
    /// A node takes a connection back that nobody has used for so long; no longer may it be handed out. *Units:* seconds.
    private static let freshness = 2.5
    /// How long the node may take for its first message. *Units:* seconds.
    private static let patience = 10.0

    let keyring: JoinKeyring
    private let state = Mutex(State())
    private let listener = Mutex<JoinListener?>(nil)

    init(_ keyring: JoinKeyring) { self.keyring = keyring }

    /// Begins to listen.
    func open(
        _ sockets: consuming ListeningSockets, limits: JoinListener.Limits = JoinListener.Limits()
    ) throws(ControllerError) {
        do {
            let made = try JoinListener(
                sockets, keys: keyring, limits: limits,
                admitted: { [weak self] in self?.admit($0) },
                refused: { [weak self] in self?.note($0) })
            listener.withLock { $0 = made }
        } catch { throw ControllerError(.state, error.message) }
    }

    /// Takes a connection that came through a relay.
    func offer(_ socket: consuming Descriptor, from peer: String) {
        let listener = listener.withLock { $0 }
        listener?.offer(socket, from: peer)
    }

    deinit { listener.withLock { $0 }?.stop() }

    /// Lets nobody in any more, and drops what is offered. *Idempotency:* a second call does nothing.
    func shut() {
        let offered = state.withLock { state in
            defer { state.offered = [] }
            state.isShut = true
            return state.offered
        }
        listener.withLock { $0 }?.stop()
        for stream in offered { stream.close() }
    }

    /// Who has come in with the token, or nil.
    var entrant: Entrant? { state.withLock(\.entrant) }

    /// Addresses that were turned away since the last call, with how often.
    func takeRefused() -> [String: Int] {
        state.withLock { state in
            defer { state.refused = [:] }
            return state.refused
        }
    }

    /// A connection that the node has made since the moment `since`.
    func take(since: Double, timeout: Double) throws(ControllerError) -> JoinStream {
        let deadline = Clocks.monotonic() + timeout
        while true {
            let found: JoinStream? = state.withLock { state in
                let now = Clocks.monotonic()
                state.offered.removeAll { now - $0.since > Self.freshness }
                guard let index = state.offered.lastIndex(where: { $0.since >= since }) else {
                    return nil
                }
                return state.offered.remove(at: index)
            }
            if let found { return found }
            if Clocks.monotonic() >= deadline {
                throw ControllerError(
                    .unreachable, "the node has made no new connection for \(Int(timeout)) s",
                    hint: "look at what `meshproof join` says there")
            }
            Clocks.sleep(0.02)
        }
    }

    // MARK: Who comes

    /// On the listener's thread: must not wait.
    private func admit(_ stream: JoinStream) {
        if !keyring.isByToken(stream.identity) {
            state.withLock { state in
                if state.isShut { return }
                state.offered.append(stream)
                if state.offered.count > Self.offers { state.offered.removeFirst() }
            }
            return
        }
        // It has the token, so it may keep a thread for a few seconds.
        do { _ = try Worker("join-entry") { [self] in greet(stream) } } catch { stream.close() }
    }

    private func greet(_ stream: JoinStream) {
        let deadline = Clocks.monotonic() + Self.patience
        guard let entry = try? stream.receive(JoinEntry.self, deadline: deadline) else {
            return stream.close()
        }
        let answer = answer(entry, from: stream.peer)
        try? stream.send(answer, deadline: deadline)
        stream.close()
    }

    private func answer(_ entry: JoinEntry, from peer: String) -> JoinAdmission {
        guard entry.version == JoinVersion.current, entry.agent == ProtocolVersion.current else {
            return .refused(
                ProtocolError(
                    .version,
                    "the node's program is of another version than the controller's \(ProgramVersion.current)"
                ))
        }
        do {
            guard let made = try keyring.enter(proof: entry.proof) else {
                return .refused(ProtocolError(.failed, "the token was used already, or is over"))
            }
            // What the node says of itself is shown to people.
            let program = entry.program.utf8.prefix(32).filter { (0x21...0x7e).contains($0) }
            state.withLock {
                $0.entrant = Entrant(peer: peer, program: String(decoding: program, as: UTF8.self))
            }
            return .welcome(id: Base64.encode(made.id), key: SecretText.encode(made.key))
        } catch {
            return .refused(ProtocolError(.failed, "the controller's state could not be written"))
        }
    }

    private func note(_ refusal: JoinListener.Refusal) {
        state.withLock { state in
            // Bounded, because strangers choose how many addresses they come from.
            if state.refused.count < 64 || state.refused[refusal.peer] != nil {
                state.refused[refusal.peer, default: 0] += 1
            }
        }
    }
}
