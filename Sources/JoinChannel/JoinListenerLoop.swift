import Glibc
import LinuxSystem

/// The thread of a ``JoinListener``: who shakes hands now, and since when.
struct JoinListenerLoop {
    private struct Pending {
        let stream: JoinStream
        /// By what it is counted.
        let source: String
        var waits: IO.Readiness
        let deadline: Double
    }

    private let listener: JoinListener
    private let listening: [Int32]
    private var pending: [Pending] = []
    /// Where descriptors have run out, nobody is taken before this moment.
    private var pausedUntil = 0.0

    init(_ listener: JoinListener, listening: [Int32]) {
        self.listener = listener
        self.listening = listening
    }

    mutating func run() {
        while true {
            var entries = [pollfd(fd: listener.bellNumber, events: Int16(POLLIN), revents: 0)]
            let isPaused = Clocks.monotonic() < pausedUntil
            for number in listening {
                entries.append(
                    pollfd(fd: isPaused ? -1 : number, events: Int16(POLLIN), revents: 0))
            }
            for one in pending {
                let events = one.waits == .reading ? POLLIN : POLLOUT
                entries.append(pollfd(fd: one.stream.number, events: Int16(events), revents: 0))
            }
            _ = poll(&entries, nfds_t(entries.count), patience())
            let first = 1 + listening.count
            // Those under way come first: a flood of new ones must not starve them.
            advance(Set(pending.indices.filter { entries[first + $0].revents != 0 }))
            if entries[0].revents != 0 {
                guard let offers = listener.takeOffers() else { return }
                for (number, peer) in offers { take(number, from: peer) }
            }
            for (index, number) in listening.enumerated() where entries[1 + index].revents != 0 {
                accept(number)
            }
        }
    }

    /// Until the next deadline, in milliseconds.
    private func patience() -> Int32 {
        let now = Clocks.monotonic()
        var next = pending.map(\.deadline).min() ?? now + 3600
        if now < pausedUntil { next = min(next, pausedUntil) }
        return Int32(max(0, min(next - now, 3600)) * 1000 + 1)
    }

    /// Drives those that are ready, lets in who is through, and drops who failed or is late.
    private mutating func advance(_ ready: Set<Int>) {
        let now = Clocks.monotonic()
        var left: [Pending] = []
        for (index, one) in pending.enumerated() {
            guard ready.contains(index) else {
                if now < one.deadline {
                    left.append(one)
                } else {
                    listener.refuse(
                        one.stream, JoinChannelError(.timeout, "no handshake came of it in time"))
                }
                continue
            }
            if let one = drive(one) { left.append(one) }
        }
        pending = left
    }

    /// The handshake one step on; nil where it is over.
    private func drive(_ one: Pending) -> Pending? {
        var one = one
        do throws(JoinChannelError) {
            switch try one.stream.shakeHands() {
            case .done:
                listener.admit(one.stream)
                return nil
            case .waits(let readiness):
                one.waits = readiness
                return one
            }
        } catch {
            listener.refuse(one.stream, error)
            return nil
        }
    }

    /// Takes all that wait, but no more at a time than may shake hands.
    private mutating func accept(_ socket: Int32) {
        for _ in 0..<listener.bounds.handshakes {
            do throws(SystemError) {
                guard let (number, peer) = try JoinSockets.accept(socket) else { return }
                take(number, from: peer)
            } catch {
                // Out of descriptors or memory: asked again at once it would only burn time.
                pausedUntil = Clocks.monotonic() + 0.2
                return
            }
        }
    }

    private mutating func take(_ number: Int32, from peer: String) {
        let now = Clocks.monotonic()
        let stream: JoinStream
        do { stream = try listener.stream(number, from: peer, at: now) } catch { return }
        let one = Pending(
            stream: stream, source: JoinCrowd.source(of: peer), waits: .reading,
            deadline: now + listener.bounds.patience)
        // First what it has to say: whoever shows the key with its first words does not lose its place.
        guard let one = drive(one) else { return }
        pending.append(one)
        let crowd = JoinCrowd(
            limit: listener.bounds.handshakes, perSource: listener.bounds.fromOneAddress)
        let entries = pending.map {
            JoinCrowd.Entry(source: $0.source, isProven: $0.stream.hasShownKey)
        }
        guard let index = crowd.givesWay(in: entries) else { return }
        listener.refuse(
            pending.remove(at: index).stream,
            JoinChannelError(.timeout, "too many handshakes at the same time"))
    }
}
