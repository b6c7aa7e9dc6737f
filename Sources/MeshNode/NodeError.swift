package import LinuxSystem
package import NodeProtocol
package import SSHTunnel
package import Secrets

/// What goes wrong on a node, and what to do about it.
package struct NodeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons; tests and messages go by them.
    package enum Code: String, Sendable {
        /// The command line makes no sense.
        case usage
        /// Not root.
        case notPermitted
        /// The node was never enrolled in this mesh.
        case notEnrolled
        /// The node is enrolled by another controller, in another mesh of this name, or by another name.
        case otherController
        /// A file of ours that cannot be what we wrote.
        case damaged
        /// Another agent has this mesh.
        case agentRunning
        /// The agent does not answer.
        case agentSilent
        /// A file could not be read or written.
        case storage
        /// The kernel, or wireguard-go, said no.
        case kernel
        /// The tunnel server cannot be had as wanted.
        case tunnelServer
        /// The node could not join by its token.
        case join
    }

    /// Which reason.
    package let code: Code
    /// What was attempted.
    package let operation: String
    /// The interface, path or name it was done to.
    package let subject: String
    /// What happened, for people; the kernel's words where it was the kernel.
    package let message: String
    /// What to do about it; empty where there is nothing to say.
    package let hint: String

    /// Describes a failure of `operation` on `subject`.
    package init(
        _ code: Code, _ operation: String, _ subject: String, _ message: String, hint: String = ""
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.message = message
        self.hint = hint
    }

    /// A file that could not be read or written.
    package init(_ operation: String, _ error: SystemError) {
        self.init(.storage, operation, error.subject, error.description)
    }

    /// A secret that could not be read or written.
    package init(_ operation: String, _ error: SecretsError) {
        self.init(.storage, operation, error.subject, error.message, hint: error.hint)
    }

    /// An SSH key that could not be made or read.
    package init(_ operation: String, _ error: SSHKeyError) {
        self.init(
            .damaged, operation, error.subject, error.detail,
            hint: "remove the file, and `meshproof up` has the node make another")
    }

    /// `operation subject: message (hint)`, on one line.
    package var description: String { description(withHint: true) }

    /// ``description``, or the same without what to do about it.
    package func description(withHint: Bool) -> String {
        let place =
            subject.isEmpty || message.contains(subject) ? operation : "\(operation) \(subject)"
        return "\(place): \(message)" + (hint.isEmpty || !withHint ? "" : " (\(hint))")
    }

    /// The same for the controller.
    package var refusal: ProtocolError {
        switch code {
        case .notEnrolled: return ProtocolError(.notEnrolled, description)
        case .otherController: return ProtocolError(.otherController, description)
        default: return ProtocolError(.failed, description)
        }
    }
}
