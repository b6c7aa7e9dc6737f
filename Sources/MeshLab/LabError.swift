/// Why a lab could not do what was asked.
public struct LabError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is; tests and exit codes go by this.
    public enum Code: String, Sendable, Equatable {
        /// Namespaces and mounts need root.
        case notPermitted
        /// A program of the system is not installed.
        case missingTool
        /// The topology cannot be rehearsed on one machine as it is.
        case unsupported
        /// Something that is not this lab's holds a name that it needs.
        case conflict
        /// Another `lab up` or `lab down` is at work on the same mesh.
        case busy
        /// There is no lab for this mesh.
        case notUp
        /// No such host in the lab.
        case unknownNode
        /// The kernel or a program refused.
        case failed
        /// A host, an sshd or a service did not come up in time.
        case notReady
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was attempted.
    public let operation: String
    /// The host, file or name it was done to.
    public let subject: String
    /// What happened.
    public let detail: String
    /// What to do next.
    public let hint: String?

    /// Describes a failure.
    public init(
        _ code: Code, _ operation: String, _ subject: String = "", _ detail: String,
        hint: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.detail = detail
        self.hint = hint
    }

    /// The exit code of DESIGN section 6: 77 not permitted, 65 a topology that cannot be rehearsed, else 1.
    public var exitCode: Int32 {
        switch code {
        case .notPermitted: 77
        case .unsupported: 65
        default: 1
        }
    }

    /// `operation subject: detail`, for where the hint is said elsewhere.
    public var summary: String {
        "\(subject.isEmpty ? operation : "\(operation) \(subject)"): \(detail)"
    }

    /// The summary, then the hint on a line of its own.
    public var description: String { summary + (hint.map { "\n  fix: \($0)" } ?? "") }
}
