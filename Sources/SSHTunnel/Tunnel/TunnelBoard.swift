import LinuxSystem
import MeshModel
import Synchronization

/// What a tunnel's thread lets others see.
final class TunnelBoard: Sendable {
    private let board: Mutex<ObservedTunnel>
    private let connections = Atomic<Int>(0)
    private let draining = Atomic<Int>(0)
    private let accepted = Atomic<UInt64>(0)
    private let sent = Atomic<UInt64>(0)
    private let received = Atomic<UInt64>(0)

    init(_ tunnel: DesiredTunnel) {
        board = Mutex(ObservedTunnel(tunnel: tunnel, state: .connecting, since: Clocks.wall()))
    }

    func observed() -> ObservedTunnel {
        var copy = board.withLock { $0 }
        copy.connections = connections.load(ordering: .relaxed)
        copy.draining = draining.load(ordering: .relaxed)
        copy.accepted = accepted.load(ordering: .relaxed)
        copy.sent = sent.load(ordering: .relaxed)
        copy.received = received.load(ordering: .relaxed)
        return copy
    }

    /// Publishes what changes seldom.
    func post(_ change: (inout ObservedTunnel) -> Void) { board.withLock { change(&$0) } }

    func countAccepted() { accepted.wrappingAdd(1, ordering: .relaxed) }

    /// Publishes what changes with every byte.
    func count(connections: Int, draining: Int, sent: UInt64, received: UInt64) {
        self.connections.store(connections, ordering: .relaxed)
        self.draining.store(draining, ordering: .relaxed)
        self.sent.wrappingAdd(sent, ordering: .relaxed)
        self.received.wrappingAdd(received, ordering: .relaxed)
    }
}
