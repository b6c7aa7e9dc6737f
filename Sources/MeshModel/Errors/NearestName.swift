/// Finds what was probably meant by a misspelt name.
public enum NearestName {
    /// Candidates that are looked at; more would cost time and say little.
    private static let candidateLimit = 512

    /// The candidate within a third of the name's length, the nearest first; nil where nothing is near.
    public static func find(_ name: String, among candidates: some Sequence<String>) -> String? {
        let wanted = Array(name.lowercased().utf8)
        if wanted.isEmpty || wanted.count > 63 { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates.prefix(candidateLimit) {
            let other = Array(candidate.lowercased().utf8)
            let allowed = max(1, max(wanted.count, other.count) / 3)
            guard abs(wanted.count - other.count) <= allowed else { continue }
            let distance = editDistance(wanted, other)
            if distance <= allowed && distance < best?.distance ?? .max {
                best = (candidate, distance)
            }
        }
        return best?.name
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other.
    ///
    /// *Source:* optimal string alignment distance (Damerau 1964, Levenshtein 1966).
    static func editDistance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...other.count)
        for row in one.indices {
            var current = [row + 1]
            current.reserveCapacity(other.count + 1)
            for column in other.indices {
                let substitution = last[column] + (one[row] == other[column] ? 0 : 1)
                var cost = min(last[column + 1] + 1, current[column] + 1, substitution)
                if row > 0 && column > 0 && one[row] == other[column - 1]
                    && one[row - 1] == other[column]
                {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[other.count]
    }
}
