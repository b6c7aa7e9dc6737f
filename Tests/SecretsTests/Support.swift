import LinuxSystem
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

/// The code that secrets are refused with, or nil where they are not.
func refusal(_ body: () throws -> Void) -> SecretsError.Code? {
    do { try body() } catch { return (error as? SecretsError)?.code }
    return nil
}

/// A new folder under /tmp for the time of `body`.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = "/tmp/meshproof-secrets-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(folder)
    defer { try? Files.removeTree(folder) }
    return try body(folder)
}
