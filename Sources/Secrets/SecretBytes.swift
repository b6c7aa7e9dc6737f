import CSodium
public import MeshModel

/// Secret bytes in memory of their own: locked, between guard pages, read-only, wiped when the last owner goes.
///
/// *Shape:* each takes about four pages and as many kernel mappings (65,530 a process by default). Thousands of
/// keys belong into one `SecretBytes`, looked at through ``SecretSlice``.
/// *Source:* `sodium_malloc`, `sodium_mprotect_readonly`, `sodium_free`.
public final class SecretBytes: SecretMaterial, Sendable {
    /// How many bytes there are.
    public let count: Int
    // A bare pointer is not Sendable; this one is written before `init` returns and only read after.
    private nonisolated(unsafe) let memory: UnsafeMutableRawPointer

    /// Fills new memory once; what `fill` leaves untouched has no defined content.
    package init(
        count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(SecretsError) -> Void
    ) throws(SecretsError) {
        try Sodium.require("allocate")
        guard count >= 0, let memory = sodium_malloc(count) else {
            throw SecretsError(
                .memory, "allocate", "", "no locked memory for a secret",
                hint: "raise vm.max_map_count or the memory limit of this process")
        }
        do throws(SecretsError) {
            try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
        } catch {
            sodium_free(memory)
            throw error
        }
        sodium_mprotect_readonly(memory)
        self.memory = memory
        self.count = count
    }

    /// `count` bytes from the system's generator.
    public convenience init(random count: Int) throws(SecretsError) {
        try self.init(count: count) {
            randombytes_buf($0.bytePointer, $0.count)
        }
    }

    /// Takes the bytes over and overwrites their source with zeros.
    ///
    /// Only this array is wiped: hand over one that was never copied.
    public convenience init(wiping bytes: inout [UInt8]) throws(SecretsError) {
        let count = bytes.count
        defer {
            bytes.withUnsafeMutableBytes { sodium_memzero($0.bytePointer, $0.count) }
        }
        try self.init(count: count) { memory in
            bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
    }

    /// A copy of part of other secret memory.
    public convenience init(copying material: some SecretMaterial) throws(SecretsError) {
        try self.init(count: material.count) { memory in
            material.withBytes { memory.copyMemory(from: $0) }
        }
    }

    deinit {
        sodium_free(memory)
    }

    /// Lends the bytes for the time of `body`.
    public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Lends the bytes for the time of `body`, which may answer or throw.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Whether both hold the same bytes, in a time that tells nothing about them.
    public func equals(_ other: SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(memory, other.memory, count) == 0
    }
}

extension SecretBytes: CustomReflectable {
    /// Nothing, so that `dump` and a test's failure message have nothing to show.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
