import LinuxSystem

/// Now, on both clocks, handed inwards so that tests can choose it.
package struct Moment: Sendable, Equatable {
    /// Seconds since 1970; for people and for handshakes.
    package var wall: Double
    /// Seconds since boot; for deadlines.
    package var monotonic: Double

    /// Pairs the two readings.
    package init(wall: Double, monotonic: Double) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// The clocks as they are.
    package static func now() -> Moment {
        Moment(wall: Clocks.wall(), monotonic: Clocks.monotonic())
    }
}
