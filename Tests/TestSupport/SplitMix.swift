/// A small seeded generator: the same numbers in every run, so that a failure can be had again.
///
/// *Source:* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014); every seed gives a full period.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// `count` random bytes.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// True once in `outOf` times.
    package mutating func chance(_ outOf: Int) -> Bool {
        Int.random(in: 0..<outOf, using: &self) == 0
    }

    /// One of them, of which there must be some.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }

    /// At most `most` of them, in any order.
    package mutating func some<Element>(_ elements: [Element], upTo most: Int) -> [Element] {
        Array(elements.shuffled(using: &self).prefix(Int.random(in: 0...most, using: &self)))
    }
}
