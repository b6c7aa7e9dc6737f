/// What goes wrong with the state store.
public struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the reasons; tests and messages go by them.
    public enum Code: String, Sendable {
        /// An expectation of a commit does not hold.
        case conflict
        /// A key or a name that no key can be made of.
        case invalidKey
        /// Another process has the store open for writing.
        case inUse
        /// The database stayed locked for longer than the busy timeout.
        case locked
        /// It was opened for reading only, or the disk is.
        case readOnly
        /// No room on the disk, or above a quota.
        case full
        /// The disk or the file system failed.
        case disk
        /// The folder or a file may not be used by this user, or may be by too many.
        case permission
        /// The database is damaged.
        case corrupt
        /// The file is a database of something else.
        case foreign
        /// A newer version of this program has been here.
        case newerSchema
        /// An older version made it, and it was opened for reading only.
        case olderSchema
        /// A record that this program cannot read.
        case malformed
        /// An address that was given to another node, or that would move.
        case addressTaken
        /// No memory.
        case memory
        /// Anything else that SQLite says; the message tells.
        case database
    }

    /// Which reason.
    public let code: Code
    /// What was attempted.
    public let operation: String
    /// The key or the path it was done to.
    public let subject: String
    /// What happened, for people.
    public let message: String
    /// SQLite's extended result code, or 0 where it has no part in this.
    public let sqlite: Int32
    /// What to do about it.
    public let hint: String

    /// Describes a failure of `operation` on `subject`.
    public init(
        _ code: Code, _ operation: String, _ subject: String, _ message: String, sqlite: Int32 = 0,
        hint: String
    ) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.message = message
        self.sqlite = sqlite
        self.hint = hint
    }

    /// `operation subject: what happened; fix: what to do`, on one line.
    public var description: String {
        let place = subject.isEmpty ? operation : "\(operation) \(subject)"
        return "\(place): \(message); fix: \(hint)"
    }
}
