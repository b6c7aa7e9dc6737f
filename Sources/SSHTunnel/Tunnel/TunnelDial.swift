import LinuxSystem
import MeshModel
import Synchronization

/// One attempt to make a session, on a thread of its own: connecting waits, and connections must not wait with it.
final class TunnelDial {
    /// What an attempt may take. *Units:* seconds.
    static let timeout = 8.0

    let started: Double
    private let box: DialBox
    private let interrupt: Bell
    private let worker: Worker

    /// - Parameter bell: rung when there is an outcome.
    init(_ tunnel: DesiredTunnel, identityFile: String, bell: Bell) throws(SystemError) {
        started = Clocks.monotonic()
        let box = DialBox()
        let interrupt = try Bell()
        worker = try Worker("mp-dial") {
            let outcome: DialOutcome
            do throws(SSHError) {
                let (session, algorithms) = try TunnelLogin.run(
                    tunnel, identityFile: identityFile, timeout: TunnelDial.timeout,
                    interrupt: interrupt.number)
                outcome = .made(session, algorithms)
            } catch {
                outcome = .failed(TunnelFailure(error, at: Clocks.wall()))
            }
            box.put(outcome)
            bell.ring()
        }
        self.box = box
        self.interrupt = interrupt
    }

    deinit {
        interrupt.ring()
        worker.join()
    }

    /// The outcome, once.
    func take() -> DialOutcome? {
        guard let outcome = box.take() else { return nil }
        worker.join()
        return outcome
    }
}

/// How an attempt ended.
enum DialOutcome {
    case made(SSHSession, TunnelAlgorithms)
    case failed(TunnelFailure)
}

/// Hands a session from the thread that made it to the one that will use it.
///
/// Unchecked: a session may be used by one thread at a time, and the one that puts it here lets go of it.
private final class DialBox: @unchecked Sendable {
    private let lock = Mutex(())
    private var outcome: DialOutcome?

    func put(_ new: DialOutcome) { lock.withLock { _ in outcome = new } }

    func take() -> DialOutcome? {
        lock.withLock { _ in
            defer { outcome = nil }
            return outcome
        }
    }
}
