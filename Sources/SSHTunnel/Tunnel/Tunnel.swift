public import LinuxSystem
public import MeshModel
import Synchronization

/// The near end of one edge's SSH tunnel: its entrances, its session, and every connection in between, on one thread.
///
/// It looks after itself: what may pass is tried again, and ``status()`` says what is wrong meanwhile. All calls may be
/// made from any thread. While no session stands, the entrances stay, and who connects is refused at once (a
/// connection that comes while a session is just being made waits for it up to ``grace``).
public final class Tunnel: Sendable {
    /// How long a new connection waits for a session that is being made. *Units:* seconds.
    public static let grace = 1.5

    private let board: TunnelBoard
    private let inbox: TunnelInbox
    private let worker: Worker

    /// Binds the entrances and starts to connect.
    ///
    /// - Parameter identityFile: the private key that belongs to `tunnel.clientKey`, readable by its owner only.
    ///
    /// *Throws:* only where there is no thread or descriptor to be had. Entrances that are taken, a server that is
    /// away and a key that is refused are in ``status()``.
    public convenience init(
        _ tunnel: DesiredTunnel, identityFile: String
    ) throws(SystemError) {
        try self.init(tunnel, identityFile: identityFile, farAway: 0.002)
    }

    /// - Parameter farAway: the round trip from which a wide window is worth it, in seconds.
    init(
        _ tunnel: DesiredTunnel, identityFile: String, farAway: Double
    ) throws(SystemError) {
        let board = TunnelBoard(tunnel)
        let inbox = TunnelInbox(bell: try Bell())
        let started = try Bell()
        let events = TunnelEvents(try EventLoop())
        let dialBell = try Bell()
        worker = try Worker("mp-tunnel") {
            let loop = TunnelLoop(
                tunnel, identityFile: identityFile, board: board, inbox: inbox, events: events,
                dialBell: dialBell, farAway: farAway)
            loop.start()
            started.ring()
            loop.run()
            inbox.close()
        }
        self.board = board
        self.inbox = inbox
        // So that the entrances are there, or in status(), by the time that the caller has the tunnel.
        _ = try IO.wait(started.number, milliseconds: -1)
    }

    deinit { stop(drain: 0) }

    /// What it runs with and how it fares; cheap.
    public func status() -> ObservedTunnel { board.observed() }

    /// Something changed: forgets every pause, tries at once, and asks a server that is quiet whether it is there.
    public func wake() { inbox.send(.wake) }

    /// Drops the session with its connections and makes a new one.
    public func restart() { inbox.sendAndWait(.restart) }

    /// Makes the tunnel as `tunnel` says, without a gap: entrances that stay are not touched, and where the server, the
    /// login or a key differs, a new session is made beside the old one.
    ///
    /// New connections take the old session until the new one stands; meanwhile ``status()`` says `connecting` or
    /// `refused`. Then the old one's connections have `drain` seconds to end.
    public func change(to tunnel: DesiredTunnel, identityFile: String, drain: Double) {
        inbox.sendAndWait(.change(tunnel, identityFile: identityFile, drain: drain))
    }

    /// Stops listening, gives the connections `drain` seconds to end, and leaves nothing behind.
    ///
    /// *Idempotency:* a second call returns when the first has done its work.
    public func stop(drain: Double) {
        inbox.send(.stop(drain: drain))
        worker.join()
    }
}
