/// What the program says to its caller when it ends.
package enum ExitCode {
    /// All is well.
    package static let fine: Int32 = 0
    /// Something failed.
    package static let failure: Int32 = 1
    /// `plan`: changes are pending. `status`: a node has drifted.
    package static let pending: Int32 = 2
    /// `verify`, `receipt check`: an edge is not encrypted as asked, or a `forbid` line is broken.
    package static let notEncrypted: Int32 = 3
    /// The call is wrong. *Source:* sysexits(3), EX_USAGE.
    package static let usage: Int32 = 64
    /// The topology is wrong. *Source:* sysexits(3), EX_DATAERR.
    package static let badTopology: Int32 = 65
    /// Rights are missing. *Source:* sysexits(3), EX_NOPERM.
    package static let notPermitted: Int32 = 77
}

/// Ends a command with a message and an exit code.
package struct CommandFailure: Error {
    package let message: String
    package let fix: String?
    package let code: Int32

    package init(_ message: String, fix: String? = nil, code: Int32 = ExitCode.failure) {
        self.message = message
        self.fix = fix
        self.code = code
    }
}
