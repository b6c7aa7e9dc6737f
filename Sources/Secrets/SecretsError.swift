public import LinuxSystem

/// What goes wrong with secrets: never the secret itself, only what was done to what.
public struct SecretsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons; tests and messages go by them.
    public enum Code: String, Sendable {
        /// libsodium is not usable.
        case library
        /// No locked memory was to be had.
        case memory
        /// A secret of another length than its use needs.
        case length
        /// Text or bytes that are not of the expected form.
        case malformed
        /// A secret's file that others can read, or that is a link, or that somebody else owns.
        case unsafeFile
        /// A key file that lies in the state folder it is to protect.
        case keyFileInState
        /// The key file is gone, or was never there.
        case keyFileMissing
        /// The file system said no; ``SecretsError/errno`` tells.
        case system
        /// Sealed with another key-encryption key than the one at hand.
        case otherKey
        /// The passphrase is not the one it was made with.
        case wrongPassphrase
        /// A sealed secret that was changed, cut, or put under another name.
        case tampered
        /// A file that was cut or changed on its way, by whatever it was.
        case damaged
        /// A format of a newer version.
        case format
        /// Limits for Argon2id that are too weak, or that would exhaust this machine.
        case limits
    }

    /// Which reason.
    public let code: Code
    /// What was attempted.
    public let operation: String
    /// The path or the name it was done to.
    public let subject: String
    /// What happened, for people.
    public let message: String
    /// The value of `errno`; 0 where the failure is not the kernel's.
    public let errno: Int32
    /// What to do about it.
    public let hint: String

    /// Describes a failure of `operation` on `subject`.
    public init(
        _ code: Code, _ operation: String, _ subject: String, _ message: String, errno: Int32 = 0,
        hint: String
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.message = message
        self.errno = errno
        self.hint = hint
    }

    /// Carries a failed system call on.
    public init(_ error: SystemError, _ operation: String, hint: String) {
        self.init(
            .system, operation, error.subject, SystemError.text(error.errno), errno: error.errno,
            hint: hint)
    }

    /// `operation subject: what happened; fix: what to do`, on one line.
    public var description: String {
        let place = subject.isEmpty ? operation : "\(operation) \(subject)"
        return "\(place): \(message); fix: \(hint)"
    }
}
