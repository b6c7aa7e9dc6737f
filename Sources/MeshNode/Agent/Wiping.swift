import Glibc

extension Array where Element == UInt8 {
    /// Overwrites the bytes with zeros in a way that the compiler does not take away.
    mutating func wipe() {
        withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
        }
    }
}
