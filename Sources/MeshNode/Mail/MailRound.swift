/// Which mailboxes are to be asked, and when. Pure: time and chance come in.
///
/// After ``wake(at:)`` (the agent has started, a network has come) every peer is asked, and one that is silent is asked
/// again after 5, 10, 20 … 60 seconds, a few times. From then on one of them is asked a minute, in turn. So a peer that
/// answers wrongly can hold nothing up: the others are asked just the same.
package struct MailRound: Sendable {
    private struct Entry {
        var askedAt = -Double.infinity
        var silences = 0
        /// Whether it is still to answer since the last ``MailRound/wake(at:)``.
        var isOpen = true

        var dueAt: Double? {
            guard isOpen, silences < MailRound.patience else { return nil }
            return silences == 0 ? askedAt + MailRound.answerTime : askedAt + delay
        }

        private var delay: Double { min(5 * Double(1 << min(silences - 1, 4)), 60) }
    }

    /// How often a silent peer is asked before it is left to its turn.
    private static let patience = 6
    /// No answer takes longer. *Units:* seconds.
    private static let answerTime = 60.0
    /// How many are asked at a time.
    package static let batch = 16
    /// Between two turns, give or take a quarter. *Units:* seconds.
    package static let interval = 60.0
    /// A network that flaps causes one round in so long. *Units:* seconds.
    package static let wakeInterval = 10.0

    private var entries: [String: Entry] = [:]
    private var turnAt = -Double.infinity
    private var wokenAt = -Double.infinity
    private var wakeAt: Double?

    /// Nobody is to be asked.
    package init() {}

    /// Follows these peers and no others; a new one is asked at once.
    package mutating func follow(_ peers: Set<String>) {
        for name in entries.keys where !peers.contains(name) { entries[name] = nil }
        for name in peers where entries[name] == nil { entries[name] = Entry() }
    }

    /// Has every peer asked anew, at once or when the last time is ``wakeInterval`` ago.
    package mutating func wake(at now: Double) {
        wakeAt = min(wakeAt ?? .infinity, max(now, wokenAt + Self.wakeInterval))
    }

    /// When somebody is due. *Units:* monotonic seconds.
    package var nextDue: Double? {
        if entries.isEmpty { return nil }
        let due = entries.values.compactMap(\.dueAt).min() ?? .infinity
        return min(due, turnAt, wakeAt ?? .infinity)
    }

    /// The peers to ask now; they count as asked.
    ///
    /// - Parameter chance: 0..<1, so that the nodes of a mesh do not ask in step.
    package mutating func take(now: Double, chance: Double) -> [String] {
        if let wakeAt, now >= wakeAt {
            self.wakeAt = nil
            wokenAt = now
            for name in entries.keys { entries[name] = Entry() }
        }
        var due = entries.filter { entry in entry.value.dueAt.map { $0 <= now } ?? false }
            .sorted { ($0.value.askedAt, $0.key) < ($1.value.askedAt, $1.key) }
            .prefix(Self.batch).map(\.key)
        if now >= turnAt {
            turnAt = now + Self.interval * (0.75 + chance / 2)
            let next = entries.min { ($0.value.askedAt, $0.key) < ($1.value.askedAt, $1.key) }
            if let next, !due.contains(next.key) { due.append(next.key) }
        }
        for name in due { entries[name]?.askedAt = now }
        return due
    }

    /// A peer has answered.
    package mutating func heard(_ name: String) {
        entries[name]?.isOpen = false
        entries[name]?.silences = 0
    }

    /// A peer has not.
    package mutating func missed(_ name: String) { entries[name]?.silences += 1 }
}
