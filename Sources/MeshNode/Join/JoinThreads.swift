import LinuxSystem

/// The threads that serve a join's connections, to be waited for at its end.
struct JoinThreads {
    private var kept: [Worker] = []

    /// So many are waited for. Most ended long ago: one that nobody uses ends within seconds.
    static let limit = 64

    /// Adds one. Never waits: of too many the oldest goes on by itself, since it may be in a conversation that lasts, and
    /// the controller needs the next connection meanwhile.
    mutating func keep(_ worker: Worker) {
        kept.append(worker)
        if kept.count > Self.limit { kept.removeFirst() }
    }

    /// Waits for those that are kept.
    func join() { for worker in kept { worker.join() } }
}
