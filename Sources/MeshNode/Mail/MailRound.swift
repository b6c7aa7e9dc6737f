/// Which mailboxes are to be asked, and when. Pure: time and chance come in.
///
/// At first, and after ``begin(at:)``, every peer is asked, and one that is silent is asked again after 5, 10, 20 … 60
/// seconds, a few times. From then on one of them is asked a minute, in turn. So a peer that answers wrongly can hold
/// nothing up: the others are asked just the same.
package struct MailRound: Sendable {
    private struct Entry {
        var askedAt = -Double.infinity
        var silences = 0
        /// Whether it is still to answer since the round began.
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
    private var beginsAnew = false

    /// Nobody is to be asked.
    package init() {}

    /// Follows these peers and no others; a new one is asked at once.
    package mutating func follow(_ peers: Set<String>) {
        for name in entries.keys where !peers.contains(name) { entries[name] = nil }
        for name in peers where entries[name] == nil { entries[name] = Entry() }
    }

    /// Has every peer asked anew.
    package mutating func begin(at now: Double) {
        wake(at: now)
        beginsAnew = true
    }

    /// Something has changed about networks: has one peer asked, and with it all who were silent the last time.
    ///
    /// At once, or when the last time is ``wakeInterval`` ago: where containers come and go, this is called all the time.
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
            turnAt = now
            for (name, entry) in entries where beginsAnew || entry.silences > 0 {
                entries[name] = Entry()
            }
            beginsAnew = false
        }
        var due = entries.filter { entry in entry.value.dueAt.map { $0 <= now } ?? false }
            .sorted { ($0.value.askedAt, $0.key) < ($1.value.askedAt, $1.key) }
            .prefix(Self.batch).map(\.key)
        if now >= turnAt {
            turnAt = now + Self.interval * (0.75 + chance / 2)
            let rest = entries.filter { !due.contains($0.key) }
            let next = rest.min { ($0.value.askedAt, $0.key) < ($1.value.askedAt, $1.key) }
            if let next { due.append(next.key) }
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
