import Glibc
import LinuxSystem
import MeshModel

/// How one connection of a probe ended: thrown where it ends before its question has been answered.
struct ProbeEnd: Error, Sendable {
    var outcome: ProbeFact.Outcome
    var message: String

    init(_ outcome: ProbeFact.Outcome, _ message: String) {
        self.outcome = outcome
        self.message = message
    }

    /// What a failed `connect(2)` says of the way and of the other end.
    init(connecting error: SystemError, to target: TunnelEnd) {
        let words = "\(target): \(SystemError.text(error.errno))"
        switch error.errno {
        case ECONNREFUSED, ECONNRESET, ENOENT: self.init(.closed, words)
        case ETIMEDOUT: self.init(.silent, "\(target) does not answer")
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: self.init(.unreachable, words)
        // For TCP a route or a filter of our own; for a unix socket, its mode.
        case EACCES, EPERM:
            if case .unix = target {
                self.init(.refused, words)
            } else {
                self.init(.unreachable, words)
            }
        default: self.init(.failed, words)
        }
    }
}

/// What others sent, cut and cleaned: nothing in it may reach a terminal or fill a report.
func shown(_ bytes: some Sequence<UInt8>, limit: Int = 160) -> String {
    var text: [UInt8] = []
    for byte in bytes {
        if text.count == limit { return String(decoding: text, as: UTF8.self) + "…" }
        text.append((0x20...0x7e).contains(byte) ? byte : UInt8(ascii: "?"))
    }
    return String(decoding: text, as: UTF8.self)
}
