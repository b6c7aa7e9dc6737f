package import LinuxSystem
import MeshModel
package import NodeProtocol
import Synchronization

/// Serves what waits to those that it is for, on a thread of its own: whatever a client does or leaves undone, the
/// agent's other work goes on.
package final class MailServer: Sendable {
    /// What the two threads share.
    struct Shared: Sendable {
        var table = MailTable()
        /// What peers have said and the agent has not taken in yet: of each the last word.
        var calls: [String: MailCall] = [:]
        /// Why the last attempt to listen failed, where it did.
        var trouble: String?
        var isStopping = false
    }

    let shared = Mutex(Shared())
    /// Rung for the thread: the table has changed.
    let orders: Bell
    /// Rung for the agent: a peer has said something.
    let news: Bell
    private let worker = Mutex<Worker?>(nil)

    /// Starts the thread, which listens nowhere until it is given a table.
    package init() throws(SystemError) {
        orders = try Bell()
        news = try Bell()
        let serving = try MailServing(self)
        let started = try Worker("mp-mail") { serving.run() }
        worker.withLock { $0 = started }
    }

    /// Readable once a peer has said something.
    package var descriptor: Int32 { news.number }

    /// Serves by this table from now on.
    package func follow(_ table: MailTable) {
        let isNews = shared.withLock { shared in
            defer { shared.table = table }
            return shared.table != table
        }
        if isNews { orders.ring() }
    }

    /// Interfaces may have come or gone.
    package func look() { orders.ring() }

    /// What peers have said since the last time, and why listening failed, where it did.
    package func collect() -> (calls: [String: MailCall], trouble: String?) {
        news.silence()
        return shared.withLock { shared in
            defer {
                shared.calls = [:]
                shared.trouble = nil
            }
            return (shared.calls, shared.trouble)
        }
    }

    /// Ends the thread and closes all that it has open. *Idempotency:* a second call does nothing.
    package func stop() {
        shared.withLock { $0.isStopping = true }
        orders.ring()
        let thread = worker.withLock { worker in
            defer { worker = nil }
            return worker
        }
        thread?.join()
    }
}
