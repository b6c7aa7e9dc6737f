import LinuxSystem
import MeshModel
import TestSupport

typealias Datagram = Result<[UInt8], SystemError>

/// Key bytes that only tests know.
struct TestSecret: SecretMaterial {
    let bytes: [UInt8]
    var count: Int { bytes.count }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { body($0) }
    }
}

/// Names a preshared key in tests: its own bytes, so that a test can tell which it was.
func identify(_ bytes: UnsafeRawBufferPointer) -> PresharedKeyID {
    PresharedKeyID(rawValue: Base64.hex(bytes))
}

func identity(_ secret: TestSecret) -> PresharedKeyID {
    PresharedKeyID(rawValue: Base64.hex(secret.bytes))
}
