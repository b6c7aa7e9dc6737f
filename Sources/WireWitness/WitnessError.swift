import Glibc
public import LinuxSystem

/// A capture that could not be begun, or a control datagram that could not be sent.
public struct WitnessError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure that a caller tells apart.
    public enum Code: Sendable, Equatable {
        /// We lack the privilege (CAP_NET_RAW).
        case denied
        /// There is not enough memory for the rings.
        case memory
        /// The device went away before it was listened on.
        case missing
        /// The kernel refused for another reason.
        case refused
        /// A control datagram was not sent.
        case unsent
    }

    /// The kind of failure.
    public let code: Code
    /// What was attempted, on what, and what the kernel said.
    public let cause: SystemError

    init(_ cause: SystemError, _ code: Code? = nil) {
        self.cause = cause
        self.code =
            code
            ?? {
                switch cause.errno {
                case EPERM, EACCES: .denied
                case ENOMEM, ENOBUFS: .memory
                case ENODEV, ENXIO: .missing
                default: .refused
                }
            }()
    }

    /// What to do about it, where that is known.
    public var hint: String? {
        switch code {
        case .denied: "run as root (CAP_NET_RAW)"
        case .memory: "free memory on the node, or ask for a smaller capture"
        case .missing: "try again"
        case .refused: nil
        case .unsent: "see that the node's own firewall lets UDP to port 9 out"
        }
    }

    /// All of it on one line.
    public var description: String { "\(cause)" + (hint.map { "; fix: \($0)" } ?? "") }
}
