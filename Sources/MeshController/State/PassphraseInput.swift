import Glibc
import LinuxSystem
public import Secrets

/// Takes a passphrase from a file, or from the terminal without showing it.
public enum PassphraseInput {
    /// The passphrase's bytes; the last newline of a file does not count.
    ///
    /// - Parameters:
    ///   - file: where it is; nil to ask on the terminal.
    ///   - purpose: what it locks, for the question.
    ///   - option: the option that names the file, for the error where nobody can be asked.
    public static func read(
        _ file: String?, purpose: String = "the controller's state",
        option: String = "--passphrase-file"
    ) throws(ControllerError) -> SecretBytes {
        var bytes: [UInt8]
        if let file {
            do { bytes = try Files.read(file, limit: 4096) } catch {
                throw ControllerError(.state, "cannot read the passphrase: \(error)")
            }
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        } else {
            guard isatty(0) == 1, let typed = getpass("Passphrase of \(purpose): ")
            else {
                throw ControllerError(
                    .state,
                    "\(purpose) wants a passphrase, and nobody is there to ask",
                    hint: "give it with \(option) FILE")
            }
            bytes = Array(UnsafeRawBufferPointer(start: typed, count: strlen(typed)))
            // Not memset, which may be optimised away where nobody reads the memory again.
            explicit_bzero(typed, bytes.count)
        }
        do { return try SecretBytes(wiping: &bytes) } catch {
            throw ControllerError(.state, "the passphrase: \(error.message)", hint: error.hint)
        }
    }

    /// A new passphrase: typed twice on the terminal, since one that was mistyped opens nothing later.
    public static func new(
        _ file: String?, purpose: String, option: String
    ) throws(ControllerError) -> SecretBytes {
        let first = try read(file, purpose: "\(purpose), a new one", option: option)
        if first.count == 0 {
            throw ControllerError(
                .usage, "the new passphrase is empty",
                hint: "choose one, for instance six random words")
        }
        if file != nil { return first }
        let second = try read(nil, purpose: "\(purpose), once more", option: option)
        guard first.equals(second) else {
            throw ControllerError(
                .usage, "the two passphrases differ", hint: "run the command again")
        }
        return first
    }
}
