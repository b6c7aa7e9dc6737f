import JoinChannel
import LinuxSystem
import MeshModel
import Secrets
import StateStore
import Synchronization

/// Which keys open the door of one invite: the token's while it can be used, and then that of the join which used it.
///
/// Every question is answered by the same work, whatever is asked: one look at the state, one random key, three
/// comparisons and two choices without a branch. Whoever is unknown, late or was here before gets the random key, and so
/// fails where a wrong key fails.
final class JoinKeyring: JoinKeys {
    /// What was done so far, so that a test can show that it is always the same.
    struct Work: Equatable {
        var looks = 0
        var randomKeys = 0
        var comparisons = 0
        var choices = 0
    }

    /// A join that has used the token.
    private struct Session {
        let id: [UInt8]
        let key: SecretBytes
    }

    let token: JoinToken
    private let state: ControllerState
    private let tokenKey: SecretBytes
    private let now: @Sendable () -> Double
    private let ticks: @Sendable () -> Double
    /// When the token is over by the clock that nobody sets.
    private let deadline: Double
    /// Stands for a session where there is none: nobody knows it.
    private let nobody: Session
    private let session = Mutex<Session?>(nil)
    private let done = Mutex(Work())

    /// - Parameters:
    ///   - deadline: when the token is over on `ticks`, beside what it says itself.
    ///   - now: seconds since 1970; somebody may set it.
    ///   - ticks: seconds that only grow.
    init(
        _ token: JoinToken, state: ControllerState, until deadline: Double,
        now: @escaping @Sendable () -> Double = Clocks.wall,
        ticks: @escaping @Sendable () -> Double = Clocks.monotonic
    ) throws(ControllerError) {
        self.token = token
        self.state = state
        self.deadline = deadline
        self.now = now
        self.ticks = ticks
        (tokenKey, nobody) = try ControllerState.translate {
            (try token.channelKey(), try Self.newSession())
        }
    }

    private static func newSession() throws(SecretsError) -> Session {
        Session(id: try JoinToken.newID(), key: try SecretBytes(random: 32))
    }

    /// How long the token is still good, by whichever clock says less: one that is set back does not lengthen it, and a
    /// machine that slept does not either. *Units:* seconds.
    var left: Double { min(Double(token.invitation.expires) - now(), deadline - ticks()) }

    var work: Work { done.withLock { $0 } }

    // MARK: Handshakes

    func key(of identity: [UInt8]) -> any SecretMaterial {
        let session = self.session.withLock { $0 } ?? nobody
        let length = JoinInvitation.idLength
        let asked = Array((identity + [UInt8](repeating: 0, count: length)).prefix(length))
        let isID = identity.count == length
        let isToken = ConstantTime.equal(asked, token.invitation.id)
        let isSession = ConstantTime.equal(asked, session.id)
        let isOpen = isOpen()
        done.withLock {
            $0.looks += 1
            $0.randomKeys += 1
            $0.comparisons += 2
            $0.choices += 2
        }
        let opensByToken = [isID, isToken, isOpen].allSatisfy { $0 }
        do throws(SecretsError) {
            let stranger = try SecretBytes(random: 32)
            let first = try ConstantTime.choose(opensByToken, tokenKey, else: stranger)
            return try ConstantTime.choose(isID && isSession, session.key, else: first)
        } catch {
            // No memory for a key: this one nobody has either.
            return nobody.key
        }
    }

    /// Whether the state says that the token can still be used.
    private func isOpen() -> Bool {
        let record = try? state.invite(token.invitation.id)
        let isUsed = record?.usedAt != nil
        let isLate = (record.map { Double($0.expires) } ?? 0) <= now()
        return [record != nil, !isUsed, !isLate, left > 0].allSatisfy { $0 }
    }

    /// Whether a connection has shown the token's key; else it has shown the session's.
    func isByToken(_ identity: [UInt8]) -> Bool {
        ConstantTime.equal(identity, token.invitation.id)
    }

    // MARK: Entry

    /// Lets one holder of the token in, and nobody after it: a new session's name and key, or nil.
    ///
    /// *Idempotency:* none; that is the point. What is used is on the disk before this returns.
    func enter(proof: String) throws(ControllerError) -> (id: [UInt8], key: SecretBytes)? {
        let (isRight, made) = try ControllerState.translate { () -> (Bool, Session) in
            // A proof that cannot be read is compared like any other.
            let shown = try SecretText.decode(proof, count: 32) ?? SecretBytes(random: 32)
            let known = try self.state.invite(self.token.invitation.id)
                .flatMap { Base64.unhex($0.proof) }
            let blank = [UInt8](repeating: 0, count: 32)
            return (
                ConstantTime.equal(JoinToken.record(of: shown), known ?? blank),
                try Self.newSession()
            )
        }
        done.withLock { $0.comparisons += 1 }
        guard isRight, left > 0, try state.useInvite(token.invitation.id, at: now()) else {
            return nil
        }
        session.withLock { $0 = made }
        return (made.id, made.key)
    }

    /// Lets nobody in any more.
    func shut() throws(ControllerError) {
        session.withLock { $0 = nil }
        try state.closeInvite(token.invitation.id)
    }
}
