/// When a silent server is asked for a sign of life, and when it is given up: 13 s after its last word.
///
/// TCP alone does not tell that a process hangs, and tells only after minutes that a link is gone.
struct SessionLife {
    enum Verdict { case fine, ask, dead }

    /// Silence before the server is asked, and time that it has for an answer. *Units:* seconds.
    static let quiet = 5.0
    static let patience = 8.0

    private var lastHeard: Double
    private var askedAt: Double?
    private(set) var hasAskedBefore = false

    init(now: Double) { lastHeard = now }

    mutating func heard(at now: Double) {
        lastHeard = now
        askedAt = nil
    }

    mutating func asked(at now: Double) {
        askedAt = now
        hasAskedBefore = true
    }

    /// Makes the next look ask, however short the silence.
    mutating func suspect() {
        if askedAt == nil { lastHeard = -SessionLife.quiet }
    }

    var nextLook: Double {
        askedAt.map { $0 + SessionLife.patience } ?? (lastHeard + SessionLife.quiet)
    }

    func judge(at now: Double) -> Verdict {
        if now < nextLook { return .fine }
        return askedAt == nil ? .ask : .dead
    }
}
