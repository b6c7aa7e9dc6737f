import LinuxSystem
import Netlink
import TestSupport

typealias Datagram = Result<[UInt8], SystemError>

extension [UInt8] {
    /// The sequence number of a message.
    var sequence: UInt32 { uint32(8) }
}

/// A route socket whose kernel is one function.
func routeSocket(_ answer: @escaping @Sendable ([UInt8]) -> [Datagram]) -> RouteSocket {
    RouteSocket(
        connection: NetlinkConnection { () throws(SystemError) -> any NetlinkTransport in
            FunctionTransport(port: testPort, answer)
        })
}
