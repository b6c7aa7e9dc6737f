import CLinux
import Glibc

/// A failed system call: what was attempted, on what, and what the kernel said.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The call or the deed, for instance `open` or `bind`.
    public let operation: String
    /// The path, address or name it was done to; never a secret.
    public let subject: String
    /// The value of `errno`; 0 where the failure is not the kernel's.
    public let errno: Int32
    /// What happened beyond `errno`, if anything.
    public let detail: String?

    /// Describes a failure of `operation` on `subject`.
    public init(_ operation: String, _ subject: String, errno: Int32, detail: String? = nil) {
        self.operation = operation
        self.subject = subject
        self.errno = errno
        self.detail = detail
    }

    /// `operation subject: reason`, on one line.
    public var description: String {
        var parts: [String] = []
        if errno != 0 { parts.append(SystemError.text(errno)) }
        if let detail { parts.append(detail) }
        let place = subject.isEmpty ? operation : "\(operation) \(subject)"
        return parts.isEmpty ? place : "\(place): \(parts.joined(separator: ", "))"
    }

    /// The C library's words for an `errno` value.
    public static func text(_ errno: Int32) -> String {
        String(cString: strerror(errno))
    }
}

/// Runs a system call until it is not interrupted, and throws what `errno` says in the same expression.
///
/// *Throws:* ``SystemError`` where `call` returns -1 for any reason but `EINTR`.
@discardableResult
public func check(
    _ operation: String, _ subject: String = "", _ call: () -> Int32
) throws(SystemError) -> Int32 {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(operation, subject, errno: code) }
    }
}

/// As ``check(_:_:_:)``, for calls that count bytes.
@discardableResult
public func checkCount(
    _ operation: String, _ subject: String = "", _ call: () -> Int
) throws(SystemError) -> Int {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(operation, subject, errno: code) }
    }
}
