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
