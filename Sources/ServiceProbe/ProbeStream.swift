import LinuxSystem
import MeshModel

/// What came from the other end.
enum Arrival {
    /// Some bytes, at least one.
    case bytes([UInt8])
    /// It ended the connection, in words.
    case ended(String)
    /// Nothing, until the time was over.
    case nothing
}

/// A connection to a service, in clear or through TLS.
protocol ProbeStream: AnyObject {
    var attempt: Attempt { get }
    /// Sends everything, or as much as the other end takes: whether it has gone is told by what comes.
    func send(_ bytes: [UInt8]) throws(ProbeEnd)
    /// The next bytes, until a moment of the monotonic clock.
    func receive(limit: Int, until moment: Double) throws(ProbeEnd) -> Arrival
}

/// Everything that came from the other end, and why no more did.
struct Gathered {
    var bytes: [UInt8] = []
    /// Why it ended; empty where enough had come, or the time was over.
    var ending = ""

    /// The end of a probe that came to no answer. `unfinished` says what these bytes are not.
    func failure(_ unfinished: String) -> ProbeEnd {
        if bytes.isEmpty {
            return ending.isEmpty
                ? ProbeEnd(.silent, "it took the connection and did not answer")
                : ProbeEnd(.garbled, "it took the connection and \(ending) without an answer")
        }
        return ProbeEnd(.garbled, "\(unfinished): \(shown(bytes))")
    }
}

extension ProbeStream {
    /// Reads until `isEnough`, or the other end ends, or `limit` bytes have come, or the time is over.
    func gather(
        limit: Int = 65_536, until moment: Double? = nil, _ isEnough: ([UInt8]) -> Bool
    ) throws(ProbeEnd) -> Gathered {
        var gathered = Gathered()
        let moment = min(moment ?? attempt.deadline, attempt.deadline)
        while gathered.bytes.count < limit && !isEnough(gathered.bytes) {
            switch try receive(limit: limit - gathered.bytes.count, until: moment) {
            case .bytes(let bytes): gathered.bytes += bytes
            case .ended(let words):
                gathered.ending = words
                return gathered
            case .nothing: return gathered
            }
        }
        return gathered
    }
}
