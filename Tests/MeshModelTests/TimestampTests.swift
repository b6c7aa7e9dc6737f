import MeshModel
import TestSupport
import Testing

@Suite("Moments are written as RFC 3339 says")
struct TimestampTests {
    @Test(
        "known moments",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"), (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_772_625_600.9, "2026-03-04T12:00:00Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] as [(Double, String)])
    func known(_ seconds: Double, _ text: String) {
        #expect(Timestamp.text(seconds) == text)
        #expect(Timestamp.parse(text) == seconds.rounded(.down))
    }

    @Test(
        "what cannot be written becomes the nearest that can",
        arguments: [-1, -.infinity, .nan] as [Double])
    func tooEarly(_ seconds: Double) { #expect(Timestamp.text(seconds) == "1970-01-01T00:00:00Z") }

    @Test("and so does what is too late", arguments: [1e12, .infinity] as [Double])
    func tooLate(_ seconds: Double) { #expect(Timestamp.text(seconds) == "9999-12-31T23:59:59Z") }

    @Test(
        "what is no moment is refused",
        arguments: [
            "", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-03-04T24:00:00Z", "2026-03-04T12:60:00Z", "2026-03-04 12:00:00Z",
            "2026-03-04T12:00:00", "2026-03-04T12:00:00+01:00", "1969-12-31T23:59:59Z",
            "2026-03-04T12:00:0٣Z", "+026-03-04T12:00:00Z", "2026-03-00T00:00:00Z",
        ])
    func refused(_ text: String) { #expect(Timestamp.parse(text) == nil) }

    @Test("every day of 400 years comes back, and days follow one another")
    func everyDay() {
        var last = ""
        for day in 0..<146_097 {
            let text = Timestamp.text(Double(day) * 86_400)
            if Timestamp.parse(text) != Double(day) * 86_400 || text <= last {
                Issue.record("\(text) after \(last)")
                return
            }
            last = text
        }
        #expect(last == "2369-12-31T00:00:00Z")
    }
}
