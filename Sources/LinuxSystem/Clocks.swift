import Glibc

/// Time, read at the rim and passed inwards as a value.
public enum Clocks {
    /// Seconds since 1970, with fractions.
    public static func wall() -> Double { read(CLOCK_REALTIME) }

    /// Whole seconds since 1970.
    public static func wallSeconds() -> Int64 { Int64(wall()) }

    /// Seconds since boot, never set back.
    public static func monotonic() -> Double { read(CLOCK_MONOTONIC) }

    /// Sleeps this thread. *Units:* seconds.
    public static func sleep(_ seconds: Double) {
        // Beyond 30 years, and for what is no number, the conversion below would trap.
        let seconds = seconds.isNaN ? 0 : min(max(seconds, 0), 1e9)
        var left = timespec(
            tv_sec: Int(seconds), tv_nsec: Int((seconds - seconds.rounded(.down)) * 1_000_000_000))
        var rest = timespec()
        while nanosleep(&left, &rest) != 0 && errno == EINTR { left = rest }
    }

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }
}
