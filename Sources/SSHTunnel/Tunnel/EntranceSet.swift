import Glibc
import LinuxSystem
import MeshModel

/// A tunnel's entrances: kept listening, tried again where they cannot, and given a rest where descriptors run out.
final class EntranceSet {
    /// The last thing that went wrong with one that is needed, until it is taken.
    private var problem: TunnelProblem?
    private var entrances: [Entrance] = []
    private let events: TunnelEvents
    private var isComplete = true
    private var nextOpening = 0.0
    private var pausedUntil: Double?

    /// Pause between attempts to listen, and before callers are accepted again that could not be. *Units:* seconds.
    private static let openingPause = 3.0
    private static let acceptPause = 0.25
    /// Callers that one event lets in, so that a flood of them does not keep those who are in from their turn.
    private static let atOnce = 64

    init(_ events: TunnelEvents) { self.events = events }

    var listening: [TunnelEnd] { entrances.filter(\.isListening).map(\.end) }

    /// Whether applications cannot come in where they should.
    var isBlocked: Bool { entrances.contains { !$0.isListening && isNeeded($0) } }

    /// What is wrong with each of those.
    var problems: [TunnelProblem] {
        entrances.filter { !$0.isListening && isNeeded($0) }.compactMap(\.problem)
    }

    /// When to ``look(now:)`` again.
    var deadline: Double {
        min(isComplete ? .infinity : nextOpening, pausedUntil ?? .infinity)
    }

    func takeProblem() -> TunnelProblem? {
        defer { problem = nil }
        return problem
    }

    /// Keeps those that stay, closes those that go, makes those that are new, and tries to listen on all.
    func become(_ ends: [TunnelEnd], token: () -> UInt64) {
        var kept = entrances.filter { ends.contains($0.end) }
        for end in ends where !kept.contains(where: { $0.end == end }) {
            kept.append(Entrance(end, token: token()))
        }
        entrances = kept
        open()
    }

    /// Tries at the next look.
    func hurry() { nextOpening = 0 }

    /// Does what is due; true where an entrance was tried.
    func look(now: Double) -> Bool {
        if let pausedUntil, pausedUntil <= now {
            self.pausedUntil = nil
            for entrance in entrances where entrance.isListening { watch(entrance) }
        }
        if isComplete || now < nextOpening { return false }
        open()
        return true
    }

    private func open() {
        defer { isComplete = !entrances.contains { !$0.isListening } }
        nextOpening = Clocks.monotonic() + EntranceSet.openingPause
        for entrance in entrances where !entrance.isListening {
            entrance.open()
            if entrance.isListening {
                if pausedUntil == nil { watch(entrance) }
            } else if isNeeded(entrance) {
                problem = entrance.problem
            }
        }
    }

    private func watch(_ entrance: Entrance) {
        try? events.loop.add(entrance.descriptor, token: entrance.token)
    }

    /// Not where the host lacks its address family and the other family's address of the same port is there.
    private func isNeeded(_ entrance: Entrance) -> Bool {
        guard entrance.isForeign, case .tcp(let place) = entrance.end else { return true }
        return !entrances.contains { other in
            guard other.isListening, case .tcp(let its) = other.end else { return false }
            return its.port == place.port && its.address.family != place.address.family
        }
    }

    /// Lets in who waits at the entrance with `token`; false where there is none.
    func accept(_ token: UInt64, _ admit: (Int32) -> Void) -> Bool {
        guard let entrance = entrances.first(where: { $0.token == token }) else { return false }
        for _ in 0..<EntranceSet.atOnce {
            let (socket, code) = entrance.accept()
            if socket >= 0 {
                admit(socket)
                continue
            }
            if [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(code) { pause(code) }
            break
        }
        return true
    }

    /// A caller that cannot be accepted stays in the queue, and would wake us again and again.
    private func pause(_ code: Int32) {
        pausedUntil = Clocks.monotonic() + EntranceSet.acceptPause
        for entrance in entrances where entrance.isListening {
            events.loop.remove(entrance.descriptor)
        }
        problem = TunnelProblem(
            at: Clocks.wall(), code: .unexpected,
            message: "cannot accept a connection: \(SystemError.text(code))",
            fix: "allow the agent more open files (LimitNOFILE=), or find what keeps so many open")
    }
}
