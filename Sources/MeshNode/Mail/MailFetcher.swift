import Glibc
package import LinuxSystem
import MeshModel
import NodeProtocol
import Synchronization

/// Asks peers for mail on threads of its own: what a peer does or leaves undone never holds the agent up.
package final class MailFetcher: Sendable {
    /// How long one peer may take to be reached and to answer. *Units:* seconds.
    package static let answerTime = 5.0
    /// How long it may take to send a mail of the largest size. *Units:* seconds.
    package static let transferTime = 30.0
    private static let parallel = 8

    private let replies = Mutex<[MailReply]>([])
    private let busy = Mutex(false)
    private let bell: Bell

    /// A fetcher that asks nobody yet.
    package init() throws(SystemError) { bell = try Bell() }

    /// Readable once replies are there, or all errands are done.
    package var descriptor: Int32 { bell.number }
    /// Whether it is still on its way.
    package var isBusy: Bool { busy.withLock(\.self) }

    /// Goes on these errands; not while ``isBusy``.
    package func send(_ errands: [MailErrand]) throws(SystemError) {
        busy.withLock { $0 = true }
        do throws(SystemError) {
            // The thread ends by itself, within the time that all peers may take.
            _ = try Worker("mp-mail-ask") { [self] in
                _ = try? fanOut(errands, limit: Self.parallel, name: "mp-mail-ask") {
                    [self] errand in
                    let reply = MailReply(errand: errand, outcome: Self.ask(errand))
                    replies.withLock { $0.append(reply) }
                    bell.ring()
                }
                busy.withLock { $0 = false }
                bell.ring()
            }
        } catch {
            busy.withLock { $0 = false }
            throw error
        }
    }

    /// Takes the replies that have come.
    package func collect() -> [MailReply] {
        bell.silence()
        return replies.withLock { found in
            defer { found = [] }
            return found
        }
    }

    /// Asks one peer, at each of its addresses until one answers.
    package static func ask(_ errand: MailErrand) -> MailReply.Outcome {
        var outcome = MailReply.Outcome.silent("it has no address")
        let deadline = Clocks.monotonic() + answerTime
        for (index, place) in errand.places.enumerated() {
            // A later address must not be left without any time by an earlier one.
            let left = Double(errand.places.count - index)
            let until = Clocks.monotonic() + max(0, deadline - Clocks.monotonic()) / left
            do throws(SystemError) { return try ask(place, errand, until: until) } catch {
                outcome = .silent(error.description)
            }
        }
        return outcome
    }

    private static func ask(
        _ place: SocketEndpoint, _ errand: MailErrand, until deadline: Double
    ) throws(SystemError) -> MailReply.Outcome {
        let socket = try MailSocket.connect(place, by: errand.interface, deadline: deadline)
        try IO.writeAll(socket.number, errand.call.encoded)
        let head = try read(
            MailAnswer.headCount, from: socket.number, place, quiet: answerTime,
            until: max(deadline, Clocks.monotonic() + 1))
        guard let length = MailAnswer.length(head) else {
            throw SystemError(
                "read mail", place.description, errno: 0,
                detail: "the answer is none of meshproof's")
        }
        if length == 0 { return .nothing }
        return .mail(
            try read(
                length, from: socket.number, place, quiet: answerTime,
                until: Clocks.monotonic() + transferTime))
    }

    private static func read(
        _ count: Int, from number: Int32, _ place: SocketEndpoint, quiet: Double,
        until deadline: Double
    ) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let until = min(deadline, Clocks.monotonic() + quiet)
            guard try IO.wait(number, milliseconds: MailSocket.milliseconds(until: until)) else {
                throw SystemError("read mail", place.description, errno: ETIMEDOUT)
            }
            let chunk: [UInt8]
            do throws(SystemError) {
                chunk = try IO.read(number, limit: min(count - bytes.count, 65_536))
            } catch {
                if error.errno == EAGAIN { continue }
                throw SystemError("read mail", place.description, errno: error.errno)
            }
            if chunk.isEmpty {
                throw SystemError(
                    "read mail", place.description, errno: 0, detail: "it hung up early")
            }
            bytes += chunk
        }
        return bytes
    }
}
