public import LinuxSystem

/// A way to the kernel and back, one datagram at a time. The one thing that tests replace.
///
/// One connection uses it, from one thread at a time.
public protocol NetlinkTransport: AnyObject, Sendable {
    /// Our address, which the kernel puts into what it sends us.
    var port: UInt32 { get }
    /// The largest message the kernel takes from us. *Units:* bytes.
    var messageLimit: Int { get }
    /// Hands one message over. *Throws:* what `sendmsg(2)` says, `EINTR` included.
    func send(_ message: UnsafeRawBufferPointer) throws(SystemError)
    /// Waits for one datagram and returns its size.
    ///
    /// *Throws:* what `recvmsg(2)` says, `EINTR` included; `EAGAIN` where none came in time; `ENOSPC` where it was
    /// larger than `buffer`, and is lost; `ENOBUFS` where the kernel dropped some.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int
}

/// A kernel that is one function: it takes a request and gives the datagrams of the reply. For tests.
package final class FunctionTransport: NetlinkTransport, @unchecked Sendable {
    // Used under the connection's lock only, like every transport.
    private let answer: @Sendable ([UInt8]) -> [Result<[UInt8], SystemError>]
    private var queue: [Result<[UInt8], SystemError>] = []
    package let port: UInt32
    package let messageLimit: Int

    package init(
        port: UInt32 = 4711, messageLimit: Int = 32_768,
        _ answer: @escaping @Sendable ([UInt8]) -> [Result<[UInt8], SystemError>]
    ) {
        self.port = port
        self.messageLimit = messageLimit
        self.answer = answer
    }

    package func send(_ message: UnsafeRawBufferPointer) throws(SystemError) {
        queue += answer([UInt8](message))
    }

    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        if queue.isEmpty { throw SystemError("receive", "", errno: 11) }
        let datagram = try queue.removeFirst().get()
        if datagram.count > buffer.count { throw SystemError("receive", "", errno: 28) }
        buffer.copyBytes(from: datagram)
        return datagram.count
    }
}
