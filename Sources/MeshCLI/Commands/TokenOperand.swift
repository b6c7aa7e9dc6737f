import Glibc

/// A join's token on the command line, where others on this machine can read it.
enum TokenOperand {
    /// Refuses one that sudo was called with: sudo waits for this program, and shows its own command line meanwhile, which
    /// cannot be taken out of `ps` from here.
    ///
    /// - Parameter sudoCommand: `SUDO_COMMAND`: what sudo was asked to run, with its arguments. In a shell that sudo has
    ///   started that is the shell, and the token is in no command line but ours. *Source:* sudo(8), ENVIRONMENT.
    /// - Throws: ``CommandFailure`` `usage`; no message has any of the token.
    static func refuse(under sudoCommand: String?) throws(CommandFailure) {
        guard let sudoCommand, sudoCommand.contains("mpj") else { return }
        throw CommandFailure(
            "under sudo the token would stay in the process list for the whole join",
            fix:
                "sudo meshproof join, and paste the token when it asks; it was not used. If somebody "
                + "can have seen it, first make another: meshproof peer invite",
            code: ExitCode.usage)
    }

    /// Takes the operand out of what `ps` shows, whatever it looks like. *Source:* proc(5), cmdline is the process's own
    /// memory.
    static func hide(
        _ operand: String, in arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        count: Int
    ) {
        for index in 1..<max(count, 1) {
            guard let argument = arguments[index], String(cString: argument) == operand else {
                continue
            }
            memset(argument, Int32(UInt8(ascii: "x")), strlen(argument))
        }
    }
}
