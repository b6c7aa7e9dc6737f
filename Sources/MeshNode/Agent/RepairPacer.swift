package import MeshModel

/// Keeps drift repair from going round in circles. Pure: time comes in.
///
/// A step that fails is tried again after 5, 10, 20 … up to 300 seconds. A step that succeeds but is undone by
/// somebody again and again is done at once three times, and then at growing intervals too.
package struct RepairPacer: Sendable {
    private struct Entry {
        var last: Double
        var failures = 0
        var repeats = 0

        var delay: Double {
            let failing = failures == 0 ? 0 : 5 * Self.power(failures - 1)
            let fighting = repeats <= 3 ? 0 : 5 * Self.power(repeats - 4)
            return min(max(failing, fighting), 300)
        }

        private static func power(_ exponent: Int) -> Double { Double(1 << min(exponent, 10)) }
    }

    private var entries: [String: Entry] = [:]
    /// Without need for so long, a step starts anew. *Units:* seconds.
    private static let memory: Double = 900

    /// Nothing was repaired yet.
    package init() {}

    /// The steps whose time has come.
    package func due(_ steps: [PlanStep], now: Double) -> [PlanStep] {
        if entries.isEmpty { return steps }
        return steps.filter { step in
            guard let entry = entries[step.summary] else { return true }
            return now >= entry.last + entry.delay
        }
    }

    /// How often `step` has failed in a row.
    package func failures(of step: PlanStep) -> Int { entries[step.summary]?.failures ?? 0 }

    /// Notes that a step was taken.
    package mutating func note(_ step: PlanStep, failed: Bool, now: Double) {
        entries = entries.filter { now - $0.value.last < Self.memory }
        var entry = entries[step.summary] ?? Entry(last: now)
        entry.last = now
        entry.failures = failed ? entry.failures + 1 : 0
        entry.repeats += failed ? 0 : 1
        entries[step.summary] = entry
    }

    /// A new document starts anew.
    package mutating func reset() { entries = [:] }
}
