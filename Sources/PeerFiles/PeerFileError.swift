/// Why a peer's configuration could not be drawn or read.
public struct PeerFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable names of the kinds of failure.
    public enum Code: String, Sendable {
        /// libqrencode is not installed.
        case libraryMissing
        /// The text does not fit.
        case tooLong
        /// A file is no WireGuard configuration.
        case notAConfiguration
        /// The files do not make a mesh together.
        case noMesh
    }

    /// Which kind.
    public let code: Code
    /// What happened; never a secret.
    public let message: String
    /// What to do next.
    public let hint: String?

    init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// The message, and the hint behind it.
    public var description: String { hint.map { "\(message); fix: \($0)" } ?? message }
}
