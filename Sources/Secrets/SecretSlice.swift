public import MeshModel

/// One of many secrets that share a ``SecretBytes``; keeps the whole alive.
public struct SecretSlice: SecretMaterial, Sendable {
    private let owner: SecretBytes
    private let start: Int
    /// How many bytes there are.
    public let count: Int

    /// The secret number `index` of those that are `width` bytes each, or nil where there is none.
    public init?(_ owner: SecretBytes, width: Int, at index: Int) {
        guard width > 0, index >= 0, index < owner.count / width else { return nil }
        self.owner = owner
        start = index * width
        count = width
    }

    /// Lends the bytes for the time of `body`.
    public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        owner.withBytes { bytes in
            body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
    }

    /// Lends the bytes for the time of `body`, which may answer or throw.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try owner.withBytes { (bytes) throws(Failure) -> Result in
            try body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
    }
}
