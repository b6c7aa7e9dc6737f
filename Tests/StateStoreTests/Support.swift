import LinuxSystem
import MeshModel
import StateStore
import Synchronization
import Testing

/// A new folder under /tmp for the time of `body`.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = "/tmp/meshproof-store-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(folder)
    defer { try? Files.removeTree(folder) }
    return try body(folder)
}

/// The code that a store refuses with, or nil where it does not.
func refusal(_ body: () throws -> Void) -> StoreError.Code? {
    do { try body() } catch { return (error as? StoreError)?.code }
    return nil
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64: every seed gives a full period.
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
