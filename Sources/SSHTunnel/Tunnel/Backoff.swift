/// How long to wait before the next attempt at something that failed.
struct Backoff {
    /// The longest ordinary pause. New connections have to work within 20 s of a link's return, and an attempt itself
    /// may take ``TunnelDial/timeout``.
    static let longest = 6.0
    /// The pause after a failure that time alone does not mend.
    static let lasting = 30.0

    private var failures = 0

    /// *Units:* seconds. - Parameter chance: from 0 to 1, so that the tunnels of a mesh do not come back in step.
    mutating func next(isLasting: Bool, chance: Double) -> Double {
        defer { failures += 1 }
        let pause =
            isLasting
            ? Backoff.lasting : min(0.25 * Double(1 << min(failures, 10)), Backoff.longest)
        return pause * (0.75 + 0.5 * chance)
    }

    /// It worked, or something changed: the next failure is the first.
    mutating func reset() { failures = 0 }
}
