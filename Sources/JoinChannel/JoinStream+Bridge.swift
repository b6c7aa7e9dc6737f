import Glibc
import LinuxSystem

extension JoinStream {
    /// Passes bytes to and from a connected socket until either side ends, or neither has said anything for `silence`
    /// seconds.
    ///
    /// - Parameter patience: how long either side may take to accept what the other one said. *Units:* seconds.
    public func bridge(
        to socket: Int32, patience: Double, silence: Double
    ) throws(JoinChannelError) {
        while true {
            let isReady = try awaitEither(socket, hasPending ? 0 : silence)
            if !isReady.here && !isReady.there && !hasPending { return }
            if isReady.here || hasPending, let bytes = try receive().bytes {
                if bytes.isEmpty { return }
                do { try IO.writeAll(socket, bytes) } catch {
                    // It has gone: what it said before that is still passed on below.
                    if error.errno != EPIPE && error.errno != ECONNRESET {
                        throw JoinChannelError(.system, "\(error)")
                    }
                }
            }
            if isReady.there {
                guard let bytes = try? IO.read(socket), !bytes.isEmpty else { return }
                try write(bytes, deadline: Clocks.monotonic() + patience)
            }
        }
    }

    private func awaitEither(
        _ socket: Int32, _ seconds: Double
    ) throws(JoinChannelError) -> (here: Bool, there: Bool) {
        var entries = [
            pollfd(fd: number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
        ]
        do throws(SystemError) {
            try check("poll") { poll(&entries, 2, Int32(min(seconds, 86_400) * 1000)) }
        } catch { throw JoinChannelError(.system, "\(error)") }
        return (entries[0].revents != 0, entries[1].revents != 0)
    }
}
