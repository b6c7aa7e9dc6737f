import MeshModel
import Secrets
import Testing

/// The bytes of hexadecimal text that a test wrote itself.
func bytes(_ hex: String) throws -> [UInt8] {
    try #require(Base64.unhex(hex))
}

/// A secret that is none: known to everybody who reads the test.
func secretBytes(_ hex: String) throws -> SecretBytes {
    var source = try bytes(hex)
    return try SecretBytes(wiping: &source)
}

/// The content of a secret, where a test must look at it.
func contents(_ secret: some SecretMaterial) -> [UInt8] {
    var copy: [UInt8] = []
    secret.withBytes { copy = Array($0) }
    return copy
}
