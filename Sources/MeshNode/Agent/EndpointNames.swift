package import MeshModel

/// Which endpoint names are to be resolved, and when. Pure: time and answers come in.
///
/// A name without an answer is asked for again after 2, 4, 8 … 60 seconds. One that has an answer is asked for
/// again only while the handshake with its peer is stale, after 30, 60 … up to 300 seconds.
package struct EndpointNames: Sendable {
    private struct Entry {
        var answer: SocketEndpoint?
        var askedAt = -Double.infinity
        var asked = 0
        var stale = false

        var delay: Double {
            let power = Double(1 << min(max(asked - 1, 0), 6))
            return answer == nil ? min(2 * power, 60) : min(30 * power, 300)
        }

        var dueAt: Double? {
            if asked == 0 { return askedAt }
            return answer == nil || stale ? askedAt + delay : nil
        }
    }

    private var entries: [Endpoint: Entry] = [:]

    /// No names.
    package init() {}

    /// The answers there are, as the differ takes them.
    package var resolved: [String: SocketEndpoint] {
        var answers: [String: SocketEndpoint] = [:]
        for (name, entry) in entries { answers[name.description] = entry.answer }
        return answers
    }

    /// Follows the names of these interfaces and no others.
    package mutating func follow(_ interfaces: [DesiredInterface]) {
        let wanted = Set(
            interfaces.flatMap(\.peers).compactMap(\.endpoint).filter { $0.literal == nil })
        for name in entries.keys where !wanted.contains(name) { entries[name] = nil }
        for name in wanted where entries[name] == nil { entries[name] = Entry() }
    }

    /// Learns from the kernel which names' peers have not been heard of lately.
    package mutating func note(
        _ observed: ObservedNode, for interfaces: [DesiredInterface], wall: Double
    ) {
        if entries.isEmpty { return }
        for interface in interfaces {
            let device = observed.interfaces.first { $0.name == interface.name }?.device
            var handshakes: [PublicKey: Double] = [:]
            for peer in device?.peers ?? [] { handshakes[peer.publicKey] = peer.lastHandshake }
            for peer in interface.peers {
                guard let name = peer.endpoint, entries[name] != nil else { continue }
                let last = handshakes[peer.publicKey] ?? 0
                let stale = abs(wall - last) >= Differ.endpointFreshness
                if !stale, entries[name]?.answer != nil { entries[name]?.asked = 1 }
                entries[name]?.stale = stale
            }
        }
    }

    /// When the next name is due. *Units:* monotonic seconds.
    package var nextDue: Double? { entries.values.compactMap(\.dueAt).min() }

    /// The names to ask for now; they count as asked.
    package mutating func take(now: Double) -> [Endpoint] {
        let due = entries.filter { entry in entry.value.dueAt.map { $0 <= now } ?? false }.map(
            \.key)
        for name in due {
            entries[name]?.askedAt = now
            entries[name]?.asked += 1
        }
        return due.sorted { $0.description < $1.description }
    }

    /// Takes answers in; true where one is new. A name without an answer keeps its old one.
    package mutating func answer(_ answers: [Endpoint: SocketEndpoint]) -> Bool {
        var changed = false
        for (name, answer) in answers {
            guard let entry = entries[name], entry.answer != answer else { continue }
            entries[name]?.answer = answer
            entries[name]?.asked = 1
            changed = true
        }
        return changed
    }

    /// Asks for all names again, as after a SIGHUP.
    package mutating func askAgain() {
        for name in entries.keys { entries[name]?.asked = 0 }
    }
}
