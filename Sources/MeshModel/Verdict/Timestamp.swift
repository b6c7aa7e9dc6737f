/// Moments as text in UTC, so that a receipt reads the same everywhere.
///
/// *Source:* RFC 3339; the proleptic Gregorian calendar, without leap seconds, as the kernel's clock has it.
public enum Timestamp {
    /// The last second of the year 9999, the last that RFC 3339 can write.
    public static let latest = 253_402_300_799.0

    /// `2026-03-04T12:00:00Z`. Fractions are cut off; what cannot be written is moved to the nearest that can.
    public static func text(_ seconds: Double) -> String {
        let parts = Parts(seconds)
        return "\(parts.date)T\(parts.clock)Z"
    }

    /// `2026-03-04 12:00 UTC`, for people.
    public static func words(_ seconds: Double) -> String {
        let parts = Parts(seconds)
        return "\(parts.date) \(parts.clock.prefix(5)) UTC"
    }

    /// Seconds since 1970 of a text that ``text(_:)`` could have written; nil for any other.
    public static func parse(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        guard bytes.count == 20 else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int(byte - UInt8(ascii: "0"))
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1...12).contains(month)
        else { return nil }
        let time = hour * 3600 + minute * 60 + second
        let seconds = Double(Self.days(year, month, day) * 86_400 + time)
        // Whatever does not come out the same, for instance a 31st of February, was no moment.
        return Self.text(seconds) == text ? seconds : nil
    }

    /// A moment taken apart.
    private struct Parts {
        let date: String
        let clock: String

        init(_ seconds: Double) {
            let whole = seconds > 0 ? Int(min(seconds, Timestamp.latest)) : 0
            let (year, month, day) = Timestamp.date(whole / 86_400)
            let time = whole % 86_400
            date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))"
            clock = "\(pad(time / 3600, 2)):\(pad(time / 60 % 60, 2)):\(pad(time % 60, 2))"
        }
    }

    private static func pad(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // Years are counted from March on here, so that the day that leap years add is the last one; 719468 days lie between
    // the first of March of the year 0 and 1970, 146097 are 400 years.

    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }

    private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let count = days + 719_468
        let era = count / 146_097
        let day = count % 146_097
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let isNextYear = month >= 10
        return (
            era * 400 + year + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3,
            dayOfYear - (153 * month + 2) / 5 + 1
        )
    }
}
