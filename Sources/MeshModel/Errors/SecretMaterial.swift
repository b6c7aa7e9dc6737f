/// Secret bytes that may be looked at only inside a closure: a private key or a preshared key.
///
/// The owner keeps them in locked memory and wipes them. Whoever borrows them copies them only into memory
/// that it wipes in the same call, and never into text.
public protocol SecretMaterial: Sendable {
    /// How many bytes there are.
    var count: Int { get }
    /// Lends the bytes for the time of `body`.
    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void)
}
