/// How often keys are to be replaced. *Shape:* in the topology `every 30d`, with h, d or w for hours, days or weeks.
public struct RotationSchedule: Sendable, Hashable, CustomStringConvertible {
    /// How old keys may become. *Units:* seconds.
    public let seconds: Int
    /// As it is written, without `every`.
    private let text: String

    /// What may be written: from an hour to ten years.
    public static let range = 3600...315_360_000

    /// Reads `every 30d`; nil for anything else, and for what is out of ``range``.
    public init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0] == "every", let unit = words[1].last,
            let size = ["h": 3600, "d": 86_400, "w": 604_800][unit],
            case let digits = words[1].dropLast(), (1...6).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(digits),
            Self.range.contains(count * size)
        else { return nil }
        seconds = count * size
        self.text = String(words[1])
    }

    /// `every 30d`.
    public var description: String { "every \(text)" }

    /// Whether keys that are in use since then are to be replaced; where nobody noted since when, they are.
    public func isDue(since: Double?, now: Double) -> Bool {
        since.map { now - $0 >= Double(seconds) } ?? true
    }
}
