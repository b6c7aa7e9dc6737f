import LinuxSystem
import MeshModel
import ServiceProbe
import Synchronization

/// The probes that the controller puts itself, while the nodes put theirs.
final class OwnProbes: Sendable {
    private let found = Mutex<[ProbeFact]>([])
    private let worker = Mutex<Worker?>(nil)

    /// Begins to put them.
    ///
    /// Where no thread can be had there are no facts, which never counts in an edge's favour.
    func begin(_ orders: [ProbeOrder]) {
        if orders.isEmpty { return }
        let started = try? Worker("own-probes") { [self] in
            let facts = ProbeRunner.run(orders, vantage: "controller")
            found.withLock { $0 = facts }
        }
        worker.withLock { $0 = started }
    }

    /// What came of them, once the last is over.
    func wait() -> [ProbeFact] {
        worker.withLock { $0 }?.join()
        return found.withLock { $0 }
    }
}
