import LinuxSystem
import Testing

/// A new folder under /tmp for the time of `body`.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = "/tmp/meshproof-system-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(folder)
    defer { try? Files.removeTree(folder) }
    return try body(folder)
}

/// The errno that a call fails with, or nil where it does not.
func failure(_ body: () throws -> Void) -> Int32? {
    do { try body() } catch { return (error as? SystemError)?.errno }
    return nil
}

/// How many descriptors this process has open now.
func openDescriptors() throws -> Int {
    try Files.list("/proc/self/fd").count
}
