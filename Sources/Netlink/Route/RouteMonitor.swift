import Glibc
public import LinuxSystem
import Synchronization

/// Tells that a link, an address or a route changed, without saying which: look again, then.
///
/// *Source:* `rtnetlink(7)`, multicast groups. *Privilege:* none.
public final class RouteMonitor: Sendable {
    private let socket: NetlinkSocket
    private let buffer = Mutex([UInt8](repeating: 0, count: 32_768))

    // RTMGRP_*: links, IPv4 addresses and routes, IPv6 addresses and routes.
    private static let groups: UInt32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400

    /// Begins to listen in the network namespace of this thread.
    public init() throws(SystemError) {
        socket = try NetlinkSocket(.route, groups: Self.groups)
        socket.setNonBlocking()
    }

    /// Readable where something changed.
    public var descriptor: Int32 { socket.descriptor }

    /// Takes away all that waits, and never waits itself; true where anything came, or was lost.
    public func drain() -> Bool {
        buffer.withLock { buffer in
            var changed = false
            // A storm of changes must not keep us here: what is left makes the descriptor readable again.
            for _ in 0..<1024 {
                do throws(SystemError) {
                    try buffer.withUnsafeMutableBufferPointer { (bytes) throws(SystemError) in
                        _ = try socket.receive(into: UnsafeMutableRawBufferPointer(bytes))
                    }
                } catch {
                    switch error.errno {
                    case EAGAIN: return changed
                    case EINTR: continue
                    // Some were lost (ENOBUFS), one was too long for us (ENOSPC).
                    case ENOBUFS, ENOSPC: break
                    default: return true
                    }
                }
                changed = true
            }
            return changed
        }
    }
}
