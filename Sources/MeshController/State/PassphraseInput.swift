import Glibc
import LinuxSystem
import Secrets

/// Takes a passphrase from a file, or from the terminal without showing it.
enum PassphraseInput {
    /// The passphrase's bytes; the last newline of a file does not count.
    static func read(_ file: String?) throws(ControllerError) -> SecretBytes {
        var bytes: [UInt8]
        if let file {
            do { bytes = try Files.read(file, limit: 4096) } catch {
                throw ControllerError(.state, "cannot read the passphrase: \(error)")
            }
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        } else {
            guard isatty(0) == 1, let typed = getpass("Passphrase of the controller's state: ")
            else {
                throw ControllerError(
                    .state,
                    "the controller's state is locked with a passphrase, and nobody is there to ask",
                    hint: "give it with --passphrase-file FILE")
            }
            bytes = Array(UnsafeRawBufferPointer(start: typed, count: strlen(typed)))
            // Not memset, which may be optimised away where nobody reads the memory again.
            explicit_bzero(typed, bytes.count)
        }
        do { return try SecretBytes(wiping: &bytes) } catch {
            throw ControllerError(.state, "the passphrase: \(error.message)", hint: error.hint)
        }
    }
}
