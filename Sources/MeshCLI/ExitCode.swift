/// What the program says to its caller when it ends.
enum ExitCode {
    /// All is well.
    static let fine: Int32 = 0
    /// Something failed.
    static let failure: Int32 = 1
    /// `plan`: changes are pending. `status`: a node has drifted.
    static let pending: Int32 = 2
    /// The call is wrong. *Source:* sysexits(3), EX_USAGE.
    static let usage: Int32 = 64
    /// The topology is wrong. *Source:* sysexits(3), EX_DATAERR.
    static let badTopology: Int32 = 65
    /// Rights are missing. *Source:* sysexits(3), EX_NOPERM.
    static let notPermitted: Int32 = 77
}

/// Ends a command with a message and an exit code.
struct CommandFailure: Error {
    let message: String
    let fix: String?
    let code: Int32

    init(_ message: String, fix: String? = nil, code: Int32 = ExitCode.failure) {
        self.message = message
        self.fix = fix
        self.code = code
    }
}
