import Glibc
public import LinuxSystem
import Synchronization

/// Lets in whoever has a key, on one thread.
///
/// Handshakes are not waited for: all are driven side by side, each has a deadline, and their number is bounded. Where
/// there are too many, whoever has the most of them loses its oldest (``JoinCrowd``), but none that has shown the key.
/// So strangers who say nothing cannot keep its place from a node whose first message has come. They can still delay it
/// before that: by more connections than the kernel's queue holds, or than wait here, from as many addresses, within the
/// time that the message takes; and whoever has recorded that message can fill the places with it.
public final class JoinListener: Sendable {
    /// What keeps strangers from filling it.
    public struct Limits: Sendable {
        /// Handshakes at the same time.
        public var handshakes = 32
        /// Handshakes at the same time from one IPv4 address or IPv6 /64 that has not shown the key.
        public var fromOneAddress = 8
        /// How long a handshake may take. *Units:* seconds.
        public var patience = 10.0

        /// The defaults.
        public init() {}
    }

    /// What became of one that is not let in.
    public struct Refusal: Sendable, Equatable {
        /// Where it is from.
        public let peer: String
        /// What it called itself; empty where it did not come to that.
        public let identity: [UInt8]
        /// Why.
        public let error: JoinChannelError
    }

    private struct Offers {
        var isStopped = false
        var waiting: [(number: Int32, peer: String)] = []
    }

    private let tls: PresharedKeyTLS
    private let keys: any JoinKeys
    private let limits: Limits
    private let admitted: @Sendable (JoinStream) -> Void
    private let refused: @Sendable (Refusal) -> Void
    private let bell: Bell
    private let offers = Mutex(Offers())
    private let worker = Mutex<Worker?>(nil)

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - sockets: listening, not blocking; closed when it ends.
    ///   - admitted: called on its thread, must not block.
    ///   - refused: likewise.
    public init(
        _ sockets: consuming ListeningSockets, keys: any JoinKeys, limits: Limits = Limits(),
        admitted: @escaping @Sendable (JoinStream) -> Void,
        refused: @escaping @Sendable (Refusal) -> Void
    ) throws(JoinChannelError) {
        tls = try PresharedKeyTLS(isServer: true)
        self.keys = keys
        self.limits = limits
        self.admitted = admitted
        self.refused = refused
        let numbers = sockets.release()
        do throws(SystemError) {
            bell = try Bell()
            let worker = try Worker("join-listen") { [self] in
                var loop = JoinListenerLoop(self, listening: numbers)
                loop.run()
                for number in numbers { Glibc.close(number) }
            }
            self.worker.withLock { $0 = worker }
        } catch { throw JoinChannelError(.system, "\(error)") }
    }

    /// Takes a connection that came by another way than its sockets, as one from `peer`.
    public func offer(_ socket: consuming Descriptor, from peer: String) {
        let number = socket.release()
        let isTaken = offers.withLock { offers in
            if offers.isStopped { return false }
            offers.waiting.append((number, peer))
            return true
        }
        if isTaken { bell.ring() } else { Glibc.close(number) }
    }

    /// Ends it, with all handshakes that are under way. *Idempotency:* a second call returns at once.
    public func stop() {
        offers.withLock { $0.isStopped = true }
        bell.ring()
        worker.withLock { $0 }?.join()
    }

    // MARK: For the loop

    var bellNumber: Int32 { bell.number }
    var bounds: Limits { limits }

    /// What came by other ways since; nil once it is to end.
    func takeOffers() -> [(number: Int32, peer: String)]? {
        bell.silence()
        let (waiting, isStopped) = offers.withLock { offers in
            defer { offers.waiting = [] }
            return (offers.waiting, offers.isStopped)
        }
        if !isStopped { return waiting }
        for (number, _) in waiting { Glibc.close(number) }
        return nil
    }

    func stream(_ number: Int32, from peer: String, at now: Double) throws(JoinChannelError)
        -> JoinStream
    {
        try JoinStream(
            tls, Descriptor(owning: number), peer: peer, since: now,
            HandshakeNotes(server: keys))
    }

    func admit(_ stream: JoinStream) { admitted(stream) }

    func refuse(_ stream: JoinStream, _ error: JoinChannelError) {
        refused(Refusal(peer: stream.peer, identity: stream.identity, error: error))
    }
}

/// Sockets on which joins are waited for.
public struct ListeningSockets: ~Copyable, Sendable {
    private var numbers: [Int32] = []

    /// None.
    public init() {}

    deinit { for number in numbers { Glibc.close(number) } }

    /// Adds one.
    public mutating func add(_ socket: consuming Descriptor) { numbers.append(socket.release()) }

    consuming func release() -> [Int32] {
        let numbers = self.numbers
        self.numbers = []
        return numbers
    }
}
