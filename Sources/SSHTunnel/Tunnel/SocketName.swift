import Glibc
package import MeshModel

/// A `sockaddr_in` or `sockaddr_in6` of an address and a port.
package struct SocketName {
    /// The structure, as the kernel reads it.
    package let bytes: [UInt8]

    /// Writes it down as the kernel wants it.
    package init(_ place: SocketEndpoint) {
        if place.address.family == .ipv4 {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = place.port.bigEndian
            withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: place.address.bytes) }
            bytes = withUnsafeBytes(of: &name) { Array($0) }
        } else {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = place.port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: place.address.bytes) }
            bytes = withUnsafeBytes(of: &name) { Array($0) }
        }
    }

    /// Lends it to a call such as `bind(2)`.
    func with<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes {
            body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}
